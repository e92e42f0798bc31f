"""A tokenizer whose texts are shortened: it leaves a token out of all that it encodes, and puts it back before it
decodes, so that tuning, prompts and generation need not know of it.

Which token is left out stands in `tokenizer_config.json` under a name that other programs skip: they read the same
texts with the tokens that were left out.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from transformers import BatchEncoding

from neuroglot.errors import ArtifactError, ConfigError, UnsupportedModelError
from neuroglot.models.shortening import Shortening, piece_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHORTENED = "neuroglot_left_out"  # in the tokenizer's config: the id that is left out
BY_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask", "offset_mapping")


class _Shortened:
    """What a shortened tokenizer does otherwise than the one that it was made of."""

    shortening: Shortening

    def _encode_plus(self, text: Any, text_pair: Any = None, **options: Any) -> BatchEncoding:
        asked = {
            name: options.pop(name, None) for name in ("padding_strategy", "truncation_strategy", "return_tensors")
        }
        longest = options.get("max_length")
        encoding = super()._encode_plus(text, text_pair, **options)  # type: ignore[misc]
        is_single = not encoding["input_ids"] or isinstance(encoding["input_ids"][0], int)
        columns = {name: [encoding[name]] if is_single else encoding[name] for name in BY_TOKEN if name in encoding}
        shortened = self._without(columns)
        lengths = {"length": [len(ids) for ids in shortened["input_ids"]]} if "length" in encoding else {}
        if _is_asked(asked["truncation_strategy"]) and longest is not None:
            _refuse_cutting(shortened["input_ids"], longest)
        if is_single and not asked["return_tensors"]:
            shortened = {name: column[0] for name, column in shortened.items()}
        is_padded = _is_asked(asked["padding_strategy"])
        if not (is_padded or asked["return_tensors"]):
            return BatchEncoding(shortened | lengths)
        padding = {name: options.get(name) for name in ("max_length", "pad_to_multiple_of", "padding_side")}
        return self.pad(  # type: ignore[attr-defined]
            shortened,
            padding=asked["padding_strategy"] if is_padded else False,
            return_tensors=asked["return_tensors"],
            **padding,
        )

    def _without(self, columns: dict[str, Any]) -> dict[str, Any]:
        kept = [self.shortening.kept(ids) for ids in columns["input_ids"]]
        return {
            name: [[row[position] for position in positions] for row, positions in zip(column, kept, strict=True)]
            for name, column in columns.items()
        }

    def _decode(self, token_ids: int | list[int], **options: Any) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        return super()._decode(self.shortening.expand(ids), **options)  # type: ignore[misc]

    def tokenize(self, text: str, pair: str | None = None, add_special_tokens: bool = False, **options: Any) -> Any:
        """The pieces that are not left out."""
        ids = self(text, text_pair=pair, add_special_tokens=add_special_tokens, **options)["input_ids"]  # type: ignore[operator]
        return self.convert_ids_to_tokens(ids)  # type: ignore[attr-defined]

    def __reduce__(self) -> tuple[Any, ...]:
        """As the plain tokenizer and what it leaves out, for other processes: the class is made where it is needed."""
        kind: Any = type(self).__mro__[2]
        plain = kind.__new__(kind)
        plain.__dict__ |= {name: value for name, value in vars(self).items() if name not in ("shortening", "left_out")}
        return shortened, (plain, self.shortening.lead)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()


def shortened(tokenizer: PreTrainedTokenizerBase, lead: int) -> PreTrainedTokenizerBase:
    """The tokenizer that leaves out the token `lead`; it is saved and loaded as such.

    Raises `UnsupportedModelError` for a slow tokenizer, and `ConfigError` for one that is shortened already, or for a
    token that does not begin a character.
    """
    if not tokenizer.is_fast:
        raise UnsupportedModelError(
            f"{type(tokenizer).__name__} is a slow tokenizer.",
            "Expected a fast one, which says where in a text each token stands.",
        )
    require_unshortened(tokenizer)
    other: Any = copy.copy(tokenizer)
    other.shortening = Shortening(lead, piece_bytes(tokenizer))
    other.left_out = lead  # the fingerprint reads it
    other.init_kwargs = tokenizer.init_kwargs | {SHORTENED: lead}
    other.__class__ = _shortened_class(type(tokenizer))
    return other


def _shortened_class(kind: type) -> type:
    """By the name of the class itself, which is what a saved tokenizer says it is."""
    return type(kind.__name__, (_Shortened, kind), {})


def left_out_token(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token that the tokenizer leaves out; None of one that is not shortened."""
    return tokenizer.shortening.lead if isinstance(tokenizer, _Shortened) else None


def as_saved(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer, shortened if its config says so. Raises `ArtifactError` for a token that cannot be left out."""
    lead = tokenizer.init_kwargs.get(SHORTENED)
    if lead is None:
        return tokenizer
    try:
        if isinstance(lead, bool) or not isinstance(lead, int):
            raise ConfigError(f"It is {lead!r}.", "Expected a number.")
        return shortened(tokenizer, lead)
    except ConfigError as error:
        raise ArtifactError(
            f"tokenizer_config.json names a token that is left out, {SHORTENED}. {error.got}",
            error.expected,
            f"Restore the file, or take {SHORTENED} out of it.",
        ) from error


def require_unshortened(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise `ConfigError` for a tokenizer that leaves a token out already."""
    if left_out_token(tokenizer) is not None:
        raise ConfigError(
            "The tokenizer leaves a token out already.",
            "Expected one that leaves out none.",
            "Extend the model as it was, then shorten it, once.",
        )


def refuse_shortened(tokenizer: PreTrainedTokenizerBase, reader: str) -> None:
    """Raise `ConfigError` for a model with a shortened tokenizer that another program reads, without knowing it."""
    if getattr(tokenizer, "init_kwargs", {}).get(SHORTENED) is not None:
        raise ConfigError(
            f"The model's tokenizer leaves a token out, and {reader} would put it in.",
            "Expected one that leaves out none.",
            "Take transformers.",
        )


def _is_asked(strategy: Any) -> bool:
    """Whether transformers' strategy of padding or cutting does anything."""
    return str(getattr(strategy, "value", strategy)) not in ("do_not_pad", "do_not_truncate", "False", "None")


def _refuse_cutting(rows: list[list[int]], longest: int) -> None:
    if any(len(row) > longest for row in rows):
        raise ConfigError(
            f"A text was to be cut at {longest} tokens, some of which are left out.", "Expected texts that fit."
        )
