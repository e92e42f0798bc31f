"""Names that a reader sees: languages, layers, definitions; and what a signature's fields are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuroglot.corpora.languages import language_name
from neuroglot.errors import CorpusError
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from neuroglot.activity.recording import Recording
    from neuroglot.layout import Layout

SITES = {
    "post_act": "the output of the nonlinearity, before any gate product,",
    "write": "the input of the down projection",
}
TOKENS = {
    "all": "all tokens",
    "last": "the last token of each text",
    "prompt": "the tokens of the prompt",
    "generated": "the generated tokens",
}


@dataclass(frozen=True)
class Labels:
    """Names along an axis: `full` where there is room and on hover, `short` where there is not."""

    full: tuple[str, ...]
    short: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.full)


def language_label(code: str) -> str:
    """English name and code: `German (de)`; a code that no standard knows stands for itself."""
    try:
        return f"{language_name(code)} ({code})"
    except CorpusError:
        return code


def language_labels(codes: Sequence[str]) -> Labels:
    """Names for an axis of languages; the short ones are the codes."""
    return Labels(tuple(map(language_label, codes)), tuple(codes))


def layer_labels(layout: Layout) -> Labels:
    """Layers counted from 0; the stack is named where there are several."""
    several = len(layout.stacks) > 1
    full = (f"{layer.stack} layer {layer.index}" if several else f"layer {layer.index}" for layer in layout.layers)
    short = (f"{layer.stack[:3]} {layer.index}" if several else str(layer.index) for layer in layout.layers)
    return Labels(tuple(full), tuple(short))


def definition_of_fires(recording: Recording) -> str:
    """What "fires" means here, in one line."""
    above = " or ".join(f"{threshold:g}" for threshold in recording.fires)
    special = "counted" if recording.special_tokens else "not counted"
    return (
        f"A neuron fires on a token where {SITES[recording.site]} is greater than {above}. "
        f"Read on {TOKENS[recording.tokens]}; special tokens are {special}, padding never."
    )


def common_signature(signatures: Iterable[Signature]) -> Signature:
    """The fields on which all agree, in the order of the first."""
    first, *others = [dict(signature.fields) for signature in signatures]
    return Signature(
        tuple((key, value) for key, value in first.items() if all(other.get(key, ...) == value for other in others))
    )
