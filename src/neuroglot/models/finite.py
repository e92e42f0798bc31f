"""Values that are not finite: a number made of them says nothing, so that it is refused with where they arose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.errors import ConfigError, listed
from neuroglot.layout import Layer


class PlacedText(Protocol):
    """A text of a batch: its row and the number of its language."""

    @property
    def row(self) -> int: ...
    @property
    def language(self) -> int: ...


def not_finite(
    model: PreTrainedModel, what: str, texts: Mapping[int, PlacedText] | None = None,
    tokens: Mapping[int, int] | None = None, languages: Sequence[str] = (),
) -> ConfigError:  # fmt: skip
    """The error about values that are not finite, `what` they are.

    `texts` are those of the batch in which they arose, by their place in it, and `tokens` how many of each text.
    """
    stated = ""
    if texts and tokens:
        counts: Counter[str] = Counter()
        for place, count in tokens.items():
            index = texts[place].language
            counts[languages[index] if index < len(languages) else f"language {index + 1}"] += count
        rows = sorted({texts[place].row + 1 for place in tokens})
        by_language = ", ".join(f"{language}: {count}" for language, count in counts.most_common())
        stated = f" at {sum(counts.values())} tokens of a batch ({by_language}; rows {listed(list(map(str, rows)))})"
    weights = broken_weights(model)
    dtype = str(model.dtype).removeprefix("torch.")
    next_step = "Load the model in float32 (--dtype float32), or in bfloat16, which has its range."
    if weights:
        next_step = f"The weights are damaged: {listed(weights)}. Load another copy."
    elif dtype in ("float32", "float64"):
        next_step = "No weight is damaged: an intervention, or a quantised or merged model, may write too large values."
    return ConfigError(f"{what} not finite{stated}.", f"Expected numbers in the range of {dtype}.", next_step)


def broken_weights(model: PreTrainedModel) -> list[str]:
    """The names of parameters that hold values that are not finite, with how many."""
    broken = []
    for name, parameter in model.named_parameters():
        if parameter.is_meta or not parameter.is_floating_point():
            continue
        if not bool(parameter.detach().float().sum().isfinite()):  # one pass; a sum that overflows is looked at closer
            count = int((~parameter.detach().isfinite()).sum())
            broken += [f"{name} ({count} of {parameter.numel():,} values)"] if count else []
    return broken


def tokens_not_finite(values: Tensor, positions: Tensor, real: Tensor) -> dict[int, int]:
    """How many real tokens of each text have a value that is not finite: `values [rows, N]` at `positions [rows]` of a
    batch whose texts are `real [B, T]`.
    """
    broken = positions[~values.isfinite().all(1)].unique().cpu()
    broken = broken[real.flatten().cpu()[broken]]
    texts, counts = (broken // real.shape[1]).unique(return_counts=True)
    return dict(zip(texts.tolist(), counts.tolist()))


def last_layers(layers: Sequence[Layer]) -> frozenset[Layer]:
    """The last layer of each stack: what is not finite before it reaches it through the residual stream."""
    return frozenset({layer.stack: layer for layer in layers}.values())


def sums_finite(sums: Sequence[Tensor]) -> bool:
    """Whether all sums are finite, read from their device at once."""
    return not sums or bool(torch.stack([each.float() for each in sums]).isfinite().all())
