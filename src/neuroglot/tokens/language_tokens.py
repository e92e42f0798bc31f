"""How translation models are told the languages: by language tokens, by a mark before the text, by a task prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neuroglot.corpora.languages import known_code, language_name
from neuroglot.errors import ConfigError
from neuroglot.models.view import ModelView

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LANGUAGE_TOKEN = re.compile(r"[a-z]{2,3}_[A-Z][a-z]{3}|[a-z]{2}_[A-Z]{2}")  # NLLB's deu_Latn, mBART's de_DE
TARGET_MARK = re.compile(r">>([A-Za-z_-]+)<<|<2([A-Za-z_-]+)>")  # Marian's >>fra<<, MADLAD-400's <2fr>


@dataclass(frozen=True)
class Direction:
    """From which language to which, as one model wants it said.

    `source_code` is what the tokenizer calls the source, where it writes that itself; `prefix` stands before each text;
    `tokens` are the options of generation that name the target. `says_target` is false for a model of one pair only.
    """

    source: str
    target: str
    prefix: str = ""
    source_code: str | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    says_target: bool = True

    @contextmanager
    def told(self, tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
        """The tokenizer writes the source language meanwhile."""
        if self.source_code is None:
            yield
            return
        before = tokenizer.src_lang
        tokenizer.src_lang = self.source_code
        try:
            yield
        finally:
            tokenizer.src_lang = before


def direction_of(view: ModelView, tokenizer: PreTrainedTokenizerBase, source: str, target: str) -> Direction | None:
    """The direction for a translation model, or None for a model that has to be asked in a prompt.

    Language tokens: M2M-100 (Fan et al. 2021), NLLB (2022), mBART (Liu et al. 2020; its target starts the decoder),
    mBART-50. Marks: Marian models of several targets, MADLAD-400. Task prefix: T5 (Raffel et al. 2020, appendix D).
    Where several marks are one language, the shortest is taken. Raises `ConfigError` for a language that the model
    does not have.
    """
    if view.family.predicts_next or not view.family.generates:
        return None
    if hasattr(tokenizer, "src_lang"):
        return _by_tokens(tokenizer, source, target)
    marks = _marks(tokenizer)
    if marks:
        return Direction(source, target, prefix=f"{_chosen(marks, target)} ")
    if view.family.model_type == "t5":
        return Direction(source, target, f"translate {language_name(source)} to {language_name(target)}: ")
    if view.family.model_type == "marian":
        _check_pair(tokenizer, source, target)
        return Direction(source, target, says_target=False)
    return None


def _by_tokens(tokenizer: PreTrainedTokenizerBase, source: str, target: str) -> Direction:
    own: Any = tokenizer
    names = getattr(own, "lang_code_to_token", None) or filter(LANGUAGE_TOKEN.fullmatch, own.all_special_tokens)
    codes = {code: name for name in names if (code := known_code(re.sub("_[A-Z]{2}$", "", name))) is not None}
    name = _chosen(codes, target)
    token_id = own.get_lang_id(name) if hasattr(own, "get_lang_id") else own.convert_tokens_to_ids(name)
    option = "decoder_start_token_id" if type(own).__name__ == "MBartTokenizer" else "forced_bos_token_id"
    return Direction(source, target, source_code=_chosen(codes, source), tokens={option: token_id})


def _marks(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """The mark of each language that the vocabulary has one for."""
    matches = filter(None, map(TARGET_MARK.fullmatch, tokenizer.get_vocab()))
    found = [(match[0], match[1] or match[2]) for match in matches]
    marks: dict[str, str] = {}
    for token, tag in sorted(found, key=lambda pair: (len(pair[0]), pair[0])):
        code = known_code(tag)
        if code is not None:
            marks.setdefault(code, token)
    return marks


def _chosen(names: Mapping[str, str], language: str) -> str:
    code = known_code(language) or language
    if code not in names:
        like = sorted(name for name in names if name.split("-")[0] == code.split("-")[0])
        raise ConfigError(
            f"The model has no language {language!r}.",
            f"It has {', '.join(sorted(names))}.",
            f"Did you mean {' or '.join(like)}?" if like else "",
        )
    return names[code]


def _check_pair(tokenizer: PreTrainedTokenizerBase, source: str, target: str) -> None:
    """A model of one pair must be asked for that pair, as far as its tokenizer says which it is."""
    for asked, name in ((source, "source_lang"), (target, "target_lang")):
        stated = known_code(getattr(tokenizer, name, None) or "")
        if stated is not None and stated != known_code(asked):
            raise ConfigError(f"The model's {name} is {stated!r}.", f"Expected {asked!r}, as the corpus has it.")
