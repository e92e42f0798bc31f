"""How a translation model is told the languages: language tokens, a prefix in words, or a prompt; one table.

What a model reads and what it is to answer are lists of token ids with all special tokens in place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neuroglot.corpora.directions import Direction
from neuroglot.corpora.languages import known_code, language_name
from neuroglot.errors import ConfigError, UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TokenIds = list[list[int]]
Tags = Mapping[str, str]  # the corpus's language to the tokenizer's token, where it cannot be told
Encode = Callable[[Direction, Sequence[str], Sequence[str]], tuple[TokenIds, TokenIds]]  # sources, targets


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
MARIAN_TOKEN = ">>(.+)<<"


def tagging_of(model_type: str, tokenizer: PreTrainedTokenizerBase, tags: Tags) -> Encode:
    """What turns texts into what an encoder–decoder model of this type reads and answers, for any direction.

    `tags` names the token of a language where the tokenizer does not tell it. Raises `UnsupportedModelError` for
    models and tokenizers whose way is not known, and `ConfigError` for a tokenizer without an end token.
    """
    if model_type not in TAGGINGS:
        raise _unknown(f"How models of the type {model_type!r} are told the languages", [*TAGGINGS, "decoders"])
    if TAGGINGS[model_type] is language_tokens and type(tokenizer).__name__ not in LANGUAGE_TOKENS:
        raise _unknown(f"Where a {type(tokenizer).__name__} puts its language tokens", LANGUAGE_TOKENS)
    return TAGGINGS[model_type](tokenizer, tags)


def decoder_tokens_given(tokenizer: PreTrainedTokenizerBase, model_type: str) -> int:
    """With how many tokens a decoder beside an encoder begins a translation: a start token, and the language's."""
    named_first = TAGGINGS[model_type] is language_tokens and _stands_first(tokenizer)
    return 2 if named_first else 1  # where the language's token stands last, mBART starts with it


def language_tokens(tokenizer: Any, tags: Tags) -> Encode:
    """The text between the token of its own language and the end token, in both languages (M2M-100, NLLB, mBART-50).

    Where the token stands last, as in mBART and in NLLB's legacy behaviour, it is behind the end token.
    """
    first, pattern = _stands_first(tokenizer), LANGUAGE_TOKENS[type(tokenizer).__name__].pattern
    end, token_of = end_token(tokenizer), token_finder(tokenizer, pattern, tags)

    def framed(language: str, texts: Sequence[str]) -> TokenIds:
        tag = [token_of(language)]
        before, behind = (tag, [end]) if first else ([], [end, *tag])
        return [before + ids + behind for ids in _ids(tokenizer, texts)]

    return lambda direction, sources, targets: (framed(direction.source, sources), framed(direction.target, targets))


def prefixed(tokenizer: Any, tags: Tags) -> Encode:
    """`translate English to German: ` before the source text, as T5 was trained."""
    end = [end_token(tokenizer)]

    def encode(direction: Direction, sources: Sequence[str], targets: Sequence[str]) -> tuple[TokenIds, TokenIds]:
        prefix = f"translate {language_name(direction.source)} to {language_name(direction.target)}: "
        read = _ids(tokenizer, [prefix + text for text in sources])
        return [ids + end for ids in read], [ids + end for ids in _ids(tokenizer, targets)]

    return encode


def target_token(tokenizer: Any, tags: Tags) -> Encode:
    """Marian's token of the target language, such as `>>deu<<`, before the source text; none in a model of one pair."""
    end, token_of = [end_token(tokenizer)], token_finder(tokenizer, MARIAN_TOKEN, tags)
    tells = any(re.fullmatch(MARIAN_TOKEN, token) for token in tokenizer.get_vocab())

    def encode(direction: Direction, sources: Sequence[str], targets: Sequence[str]) -> tuple[TokenIds, TokenIds]:
        tag = [token_of(direction.target)] if tells else []
        answers = tokenizer(text_target=list(targets), add_special_tokens=False, verbose=False)["input_ids"]
        return [tag + ids + end for ids in _ids(tokenizer, sources)], [ids + end for ids in answers]

    return encode


TAGGINGS: dict[str, Callable[[Any, Tags], Encode]] = {
    "m2m_100": language_tokens,
    "mbart": language_tokens,
    "marian": target_token,
    "t5": prefixed,
    "mt5": prefixed,
    "umt5": prefixed,
}


def prompt(direction: Direction, text: str) -> str:
    """What a decoder reads before the translation; a space and the target text follow."""
    source, target = language_name(direction.source), language_name(direction.target)
    return f"{source}: {text} → {target}:"


def token_finder(tokenizer: Any, pattern: str, tags: Tags) -> Callable[[str], int]:
    """The id of the one token that names a language; raises `ConfigError` where there is none or several."""
    vocabulary = tokenizer.get_vocab()
    written = {token: match[1] for token in vocabulary if (match := re.fullmatch(pattern, token))}
    codes = {token: known_code(code) for token, code in written.items()}

    def token_of(language: str) -> int:
        wanted = known_code(language)
        if language in tags:
            found = [tags[language]] if tags[language] in vocabulary else []
        else:
            found = [token for token, code in codes.items() if code == wanted and wanted is not None]
        if len(found) != 1:
            raise ConfigError(
                f"The tokenizer has {', '.join(sorted(found)) or 'no token'} for the language {language!r}.",
                f"Expected one token of the form {pattern}.",
                f"Say which one it is: tags={{{language!r}: …}}.",
            )
        return int(vocabulary[found[0]])

    return token_of


def end_token(tokenizer: Any) -> int:
    """The id of the token that ends a translation; raises `ConfigError` where there is none."""
    if tokenizer.eos_token_id is None:
        raise ConfigError("The tokenizer has no end token.", "Expected one, because a translation must end.")
    return int(tokenizer.eos_token_id)


def _stands_first(tokenizer: Any) -> bool:
    convention = LANGUAGE_TOKENS[type(tokenizer).__name__]
    return convention.first and not getattr(tokenizer, "legacy_behaviour", False)


def _ids(tokenizer: Any, texts: Sequence[str]) -> TokenIds:
    ids: TokenIds = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _unknown(what: str, known: Iterable[str]) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{what} is not known.",
        f"Known are {', '.join(known)}.",
        "To add one, write an entry in specialization/tagging.py.",
    )
