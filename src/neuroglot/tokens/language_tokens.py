"""How translation models are told the languages: by language tokens, a mark before the text, or words; one table.

What a model reads, what its decoder begins with and what it is to answer are token ids with all special tokens in
place. Training, recording and generation read the same table, so that a model is asked as it was trained.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from neuroglot.corpora.directions import Direction
from neuroglot.corpora.languages import known_code, language_name
from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.inputs import TokenBatch
from neuroglot.models.view import ModelView

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TokenIds = list[list[int]]
Tags = Mapping[str, str]  # the corpus's language to the tokenizer's token, where it cannot be told
Written = Callable[[Direction, Sequence[str]], TokenIds]


@dataclass(frozen=True)
class LanguageTokens:
    """How a tokenizer writes its language tokens (the group is the code), and whether one stands first or last."""

    pattern: str
    first: bool = True


# By class of tokenizer. Plain ones are taken to hold M2M-100's tokens, as models converted from fairseq do.
LANGUAGE_TOKENS = {
    "M2M100Tokenizer": LanguageTokens("__([a-z_A-Z]+?)__"),
    "TokenizersBackend": LanguageTokens("__([a-z_A-Z]+?)__"),
    "NllbTokenizer": LanguageTokens("([a-z]{3}_[A-Z][a-z]{3})"),
    "MBart50Tokenizer": LanguageTokens("([a-z]{2})_[A-Z]{2}"),
    "MBartTokenizer": LanguageTokens("([a-z]{2})_[A-Z]{2}", first=False),
}
MARIAN_MARK, MADLAD_MARK = ">>([A-Za-z_-]+)<<", "<2([A-Za-z_-]+)>"


@dataclass(frozen=True)
class Convention:
    """What one translation model reads (`sources`) and is to answer (`targets`), in any direction.

    Its decoder begins with the first `begun` tokens of its input. `says_target` is false for a model of one pair.
    `end` is the token that ends a text, `languages` are those that name one.
    """

    sources: Written
    targets: Written
    end: int
    languages: frozenset[int] = frozenset()
    begun: int = 1
    says_target: bool = True

    @property
    def special(self) -> frozenset[int]:
        """The tokens that stand around a text."""
        return self.languages | {self.end}

    def begin(self, view: ModelView, direction: Direction) -> tuple[int, ...]:
        """What stands in the decoder before the translation: a start token, or the target language's, or both."""
        ids = torch.tensor(self.targets(direction, [""]))  # what is put around any text
        read = TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool))
        inputs = view.family.reads.forward_kwargs(view.model, read)
        return tuple(inputs["decoder_input_ids"][0, : self.begun].tolist())


def convention_of(view: ModelView, tokenizer: PreTrainedTokenizerBase, tags: Tags | None = None) -> Convention | None:
    """How the model is told the languages, or None for one that has to be asked in a prompt (decoders, BART).

    `tags` names the token of a language that the tokenizer does not tell, or has several of. Raises
    `UnsupportedModelError` for a tokenizer whose language tokens are not known, `ConfigError` for one without an end
    token.
    """
    if view.family.predicts_next or not view.family.generates or view.family.model_type not in CONVENTIONS:
        return None
    return CONVENTIONS[view.family.model_type](tokenizer, tags or {})


def reads_questions(view: ModelView, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether an encoder–decoder is asked in words, as T5 is, and so may be asked anything; not MADLAD-400, which has
    marks of languages and only translates.
    """
    in_words = CONVENTIONS.get(view.family.model_type) is with_mark_or_prefix
    return in_words and not _codes(_written(tokenizer, MADLAD_MARK))


def require_convention(view: ModelView, tokenizer: PreTrainedTokenizerBase, tags: Tags | None = None) -> Convention:
    """The same; raises `UnsupportedModelError` for a model that is told the languages in no known way."""
    convention = convention_of(view, tokenizer, tags)
    if convention is None:
        told = f"How models of the type {view.family.model_type!r} are told the languages"
        raise _unknown(told, [*CONVENTIONS, "decoders"])
    return convention


def language_tokens(tokenizer: Any, tags: Tags) -> Convention:
    """The text between the token of its own language and the end token, in both languages.

    M2M-100 (Fan et al. 2021), NLLB (2022), mBART-50 (Tang et al. 2020). In mBART (Liu et al. 2020), and in NLLB's
    legacy behaviour, the token stands behind the end token; mBART's decoder begins with it.
    """
    known = LANGUAGE_TOKENS.get(type(tokenizer).__name__)
    if known is None:
        raise _unknown(f"Where a {type(tokenizer).__name__} puts its language tokens", LANGUAGE_TOKENS)
    first = known.first and not getattr(tokenizer, "legacy_behaviour", False)
    end, written = end_token(tokenizer), _written(tokenizer, known.pattern)
    token_of = token_finder(written, tags)

    def framed(language: str, texts: Sequence[str]) -> TokenIds:
        tag = [token_of(language)]
        before, behind = (tag, [end]) if first else ([], [end, *tag])
        return [before + ids + behind for ids in _ids(tokenizer, texts)]

    return Convention(
        lambda direction, texts: framed(direction.source, texts),
        lambda direction, texts: framed(direction.target, texts),
        end,
        _ids_in(written),
        begun=2 if first else 1,
    )


def with_mark_or_prefix(tokenizer: Any, tags: Tags) -> Convention:
    """MADLAD-400's `<2de>` before the source text if the tokenizer has such marks, else the words `translate English to
    German: `, as T5 was trained (Raffel et al. 2020, appendix D).
    """
    end, marks = [end_token(tokenizer)], _written(tokenizer, MADLAD_MARK)
    token_of = token_finder(marks, tags) if _codes(marks) else None
    languages = _ids_in(marks) if token_of is not None else frozenset()

    def sources(direction: Direction, texts: Sequence[str]) -> TokenIds:
        if token_of is not None:
            return [[token_of(direction.target), *ids, *end] for ids in _ids(tokenizer, texts)]
        prefix = f"translate {language_name(direction.source)} to {language_name(direction.target)}: "
        return [ids + end for ids in _ids(tokenizer, [prefix + text for text in texts])]

    return Convention(sources, lambda _, texts: [ids + end for ids in _ids(tokenizer, texts)], end[0], languages)


def with_mark(tokenizer: Any, tags: Tags) -> Convention:
    """Marian's mark of the target language, such as `>>deu<<`, before the source text; none in a model of one pair,
    which must be asked for that pair, as far as its tokenizer says which it is.
    """
    end, marks = [end_token(tokenizer)], _written(tokenizer, MARIAN_MARK)
    token_of = token_finder(marks, tags) if marks else None

    def sources(direction: Direction, texts: Sequence[str]) -> TokenIds:
        if token_of is None:
            _check_pair(tokenizer, direction)
        mark = [] if token_of is None else [token_of(direction.target)]
        return [mark + ids + end for ids in _ids(tokenizer, texts)]

    def targets(_: Direction, texts: Sequence[str]) -> TokenIds:
        answers = tokenizer(text_target=list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [ids + end for ids in answers]

    return Convention(sources, targets, end[0], _ids_in(marks), says_target=token_of is not None)


CONVENTIONS: dict[str, Callable[[Any, Tags], Convention]] = {
    "m2m_100": language_tokens,
    "mbart": language_tokens,
    "marian": with_mark,
    "t5": with_mark_or_prefix,
    "mt5": with_mark_or_prefix,
    "umt5": with_mark_or_prefix,
}


def token_finder(written: Mapping[str, tuple[str, int]], tags: Tags) -> Callable[[str], int]:
    """The id of the one token that names a language, of tokens with the code in each and its id.

    `tags` says which one it is of several. Raises `ConfigError` for none, and for several without that.
    """
    codes = _codes(written)

    def token_of(language: str) -> int:
        wanted = known_code(language) or language
        tokens = [token for token, code in codes.items() if code == wanted]
        if language in tags:
            tokens = [tags[language]] if tags[language] in written else []
        if len(tokens) == 1:
            return written[tokens[0]][1]
        if tokens:
            raise ConfigError(
                f"The tokenizer has {' and '.join(sorted(tokens))} for the language {language!r}.",
                "Expected one token for each language.",
                f"Say which one it is: tags={{{language!r}: {sorted(tokens)[0]!r}}}.",
            )
        like = sorted({code for code in codes.values() if code.split("-")[0] == wanted.split("-")[0]})
        raise ConfigError(
            f"The tokenizer has no token for the language {language!r}.",
            f"Expected one of {', '.join(sorted(set(codes.values())))}.",
            f"Did you mean {' or '.join(like)}?" if like else f"Or name the token: tags={{{language!r}: ...}}.",
        )

    return token_of


def parse_tags(texts: Iterable[str]) -> dict[str, str]:
    """Tags written as `zh=>>cmn<<`; raises `ConfigError` for anything else."""
    tags = {}
    for text in texts:
        language, equals, token = text.partition("=")
        if not (language and equals and token):
            raise ConfigError(f"Got the tag {text!r}.", "Expected a language and its token, such as 'zh=>>cmn<<'.")
        tags[language] = token
    return tags


def end_token(tokenizer: Any) -> int:
    """The id of the token that ends a translation; raises `ConfigError` if there is none."""
    if tokenizer.eos_token_id is None:
        raise ConfigError("The tokenizer has no end token.", "Expected one, because a translation must end.")
    return int(tokenizer.eos_token_id)


def _written(tokenizer: Any, pattern: str) -> dict[str, tuple[str, int]]:
    """The tokens of this form, each with the code written in it and its id.

    M2M-100's tokenizer may keep its language tokens beside its vocabulary.
    """
    beside = getattr(tokenizer, "lang_code_to_token", {})
    tokens = {token: tokenizer.get_lang_id(code) for code, token in beside.items()} | tokenizer.get_vocab()
    return {token: (match[1], int(index)) for token, index in tokens.items() if (match := re.fullmatch(pattern, token))}


def _ids_in(written: Mapping[str, tuple[str, int]]) -> frozenset[int]:
    return frozenset(token_id for _, token_id in written.values())


def _codes(written: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """The language of each token that names one."""
    return {token: known for token, (code, _) in written.items() if (known := known_code(code)) is not None}


def _check_pair(tokenizer: Any, direction: Direction) -> None:
    for asked, name in ((direction.source, "source_lang"), (direction.target, "target_lang")):
        stated = known_code(getattr(tokenizer, name, None) or "")
        if stated is not None and stated != known_code(asked):
            raise ConfigError(
                f"The model's {name} is {stated!r}.", f"Expected {asked!r}, of the direction {direction}.",
                "A model of one pair reads that direction only, and neurons are found by comparing directions: take a "
                "model of several, such as M2M-100, NLLB or a Marian of many languages.",
            )  # fmt: skip


def _ids(tokenizer: Any, texts: Sequence[str]) -> TokenIds:
    ids: TokenIds = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _unknown(what: str, known: Iterable[str]) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{what} is not known.",
        f"Expected one of {', '.join(known)}.",
        "To add one, write an entry in tokens/language_tokens.py.",
    )
