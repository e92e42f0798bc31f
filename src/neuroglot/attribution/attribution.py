"""Attribution: contribution and effective scores by category, language and layer, on every parallel row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.attribution.scores import GROUPS, top_size
from neuroglot.errors import ArtifactError
from neuroglot.headers import STRICT, Counts, Names, StoredLayout, StoredSignature, load_artefact, save_artefact
from neuroglot.layout import Layout
from neuroglot.metrics.intervals import Score, mean_scores, row_means
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.showing import Shown
from neuroglot.signature import Signature

Among = Literal["any", "active"]
ScoreName = Literal["contribution", "effective"]
Reduction = Literal["sum", "mean", "max", "min"]
SUMS = ("top", "contribution_sum", "effective_sum")
EXTREMES = ("contribution_max", "contribution_min", "effective_max", "effective_min")

# Which of `GROUPS` make up each of `CATEGORIES`, over all neurons of the category and those active in the language.
_MEMBERS: dict[Among, tuple[tuple[int, ...], ...]] = {
    "any": ((0,), (1, 2), (3, 4), (5,)),
    "active": ((0,), (1,), (3,), ()),
}


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = STRICT

    layout: StoredLayout
    languages: Names
    data: str
    recording: Recording
    top_share: Annotated[float, Field(gt=0, le=1)]
    frozen_norm: bool
    contrastive: bool
    dropped: Counts
    collisions: Counts
    first_tokens: Counts
    signature: StoredSignature


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Shown):
    """Scores of the neurons on R parallel rows of the task named `data`, in G languages and L layers.

    * `sizes [R, G, L, 6]`: neurons in each of `scores.GROUPS` (int32; they add up to the layer's width).
    * `values`: by name, each `[R, G, L, 6]`: `top` (int32), how many of the layer's `top_share` of highest contribution
      are in the group; sum, maximum and minimum of both scores (float32), which mean nothing where `sizes` is 0.
    * `dropped`: rows that were left out in all languages, by reason; `collisions`: rows, by language, in which two
      options begin with the same token; `first_tokens`: how many different tokens the answers begin with, by language.

    A category is what all languages decide on a row, so that a neuron that is specific to German is so in the scores of
    Swahili, where it does not fire. Readings are `among` all such neurons ("any", as in the paper) or among those that
    are "active" in the language. A category without neurons has no score: NaN, never 0.
    """

    layout: Layout
    languages: tuple[str, ...]
    data: str
    recording: Recording
    top_share: float
    frozen_norm: bool
    contrastive: bool
    sizes: Tensor
    values: Mapping[str, Tensor]
    dropped: Mapping[str, int]
    collisions: Mapping[str, int]
    first_tokens: Mapping[str, int]
    signature: Signature

    def __post_init__(self) -> None:
        for name in ("values", "dropped", "collisions", "first_tokens"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        rows = self.sizes.shape[0] if self.sizes.dim() else 0
        expected = (rows, len(self.languages), len(self.layout.layers), len(GROUPS))
        shapes = {name: tuple(tensor.shape) for name, tensor in self.values.items()} | {
            "sizes": tuple(self.sizes.shape)
        }
        known = set(shapes) == {"sizes", *SUMS, *EXTREMES}
        if not known or set(shapes.values()) != {expected} or not rows or not self._add_up():
            raise ArtifactError(
                f"Attribution values are {shapes}.",
                f"Expected sizes, {', '.join((*SUMS, *EXTREMES))}, each {list(expected)}, of one row or more; sizes "
                "add up to each layer's width, and top to its top share.",
            )

    def _add_up(self) -> bool:
        top = self.values["top"]
        if any(counts.is_floating_point() or bool((counts < 0).any()) for counts in (self.sizes, top)):
            return False
        widths = torch.tensor([layer.width for layer in self.layout.layers])
        tops = torch.tensor(self.top_sizes)
        return bool((self.sizes.sum(-1) == widths).all() and (top.sum(-1) == tops).all())

    @property
    def rows(self) -> int:
        return int(self.sizes.shape[0])

    @property
    def top_sizes(self) -> list[int]:
        """How many neurons of each layer make up its top share."""
        return [top_size(self.top_share, layer.width) for layer in self.layout.layers]

    def neurons(self, among: Among = "any") -> Tensor:
        """How many neurons of each category there are: `[R, G, L, 4]`, int64, in the order of `CATEGORIES`."""
        return _joined(self.sizes, among)

    def top(self, among: Among = "any") -> Tensor:
        """How many of the layer's neurons of highest contribution are of each category: `[R, G, L, 4]`, int64."""
        return _joined(self.values["top"], among)

    def top_shares(self, among: Among = "any") -> Tensor:
        """The contribution ratio, `top` over the size of the top: `[R, G, L, 4]`, float64; "any" adds up to 1."""
        return self.top(among) / torch.tensor(self.top_sizes, dtype=torch.float64)[:, None]

    def statistic(self, score: ScoreName, statistic: Reduction, among: Among = "any") -> Tensor:
        """One number of a score over the neurons of each category: `[R, G, L, 4]`, float64, NaN where there is none."""
        sizes = self.neurons(among)
        if statistic in ("sum", "mean"):
            total = _joined(self.values[f"{score}_sum"].double(), among)
            total = total / sizes if statistic == "mean" else total
        else:
            total = _extreme(self.values[f"{score}_{statistic}"].double(), self.sizes, among, statistic)
        return total.masked_fill(sizes == 0, torch.nan)

    def concentration(self, among: Among = "any") -> dict[str, tuple[Score, Score, Score]]:
        """Of each category the share of all neurons, the share of the top contributions, and the second over the first.

        Means over rows, languages and layers (each neuron counts once), with intervals over rows; the ratio is 1 for a
        category that contributes as its number says.
        """
        neurons, top = (counts.double().mean(1).sum(1) for counts in (self.neurons(among), self.top(among)))
        shares = torch.cat([neurons / self.layout.neuron_count, top / sum(self.top_sizes)], dim=1)  # [R, 8]
        scores = row_means(shares).map(_with_ratios).scores()
        return {name: (scores[place], scores[place + 4], scores[place + 8]) for place, name in enumerate(CATEGORIES)}

    def sums(self) -> dict[str, tuple[Score, Score, Score]]:
        """Of each category the share of the summed contribution, its summed effective score, and that of all other
        neurons.

        Sums over layers, means over languages and rows, with intervals over rows; a category without neurons adds 0.
        """
        by_row = torch.cat([self._summed(score) for score in ("contribution", "effective")], dim=1)  # [R, 8]
        scores = row_means(by_row).map(_read).scores()
        return {name: (scores[place], scores[place + 4], scores[place + 8]) for place, name in enumerate(CATEGORIES)}

    def _summed(self, score: ScoreName) -> Tensor:
        """Summed over layers, mean over languages: `[R, 4]`."""
        return self.statistic(score, "sum").nan_to_num().sum(2).mean(1)

    def mean_over_rows(self, by_row: Tensor) -> list[list[list[Score]]]:
        """Means with intervals over the rows that have a value, of a reading such as `top_shares`, `[R, G, L, 4]`: by
        language, layer and category.
        """
        scores = iter(mean_scores(by_row.flatten(1)))
        layers = range(len(self.layout.layers))
        return [[[next(scores) for _ in CATEGORIES] for _ in layers] for _ in self.languages]

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header."""
        header = _Header(**{field.name: getattr(self, field.name) for field in fields(_Header)})
        return save_artefact(path, "attribution", {"sizes": self.sizes, **self.values}, header)

    @classmethod
    def load(cls, path: Path | str) -> Attribution:
        """The attribution in a file; raises `ArtifactError` where the file is anything else."""
        tensors, header = load_artefact(path, "attribution", _Header, needed=("sizes",))
        return cls(**vars(header), sizes=tensors.pop("sizes"), values=tensors)


def _joined(groups: Tensor, among: Among) -> Tensor:
    """Sums over the groups of each category: `[..., 6]` → `[..., 4]`."""
    return torch.stack([groups[..., list(members)].sum(-1) for members in _MEMBERS[among]], dim=-1)


def _extreme(values: Tensor, sizes: Tensor, among: Among, statistic: Reduction) -> Tensor:
    """The largest or smallest value over the groups of each category that are not empty: `[..., 6]` → `[..., 4]`."""
    sign = 1 if statistic == "max" else -1
    signed = (sign * values).masked_fill(sizes == 0, -torch.inf)
    signed = torch.cat([signed, torch.full_like(signed[..., :1], -torch.inf)], dim=-1)
    parts = [signed[..., [*members, len(GROUPS)]].amax(-1) for members in _MEMBERS[among]]
    return sign * torch.stack(parts, dim=-1)


def _with_ratios(shares: Tensor) -> Tensor:
    """Shares of neurons and of the top, and their ratios: `[..., 8]` → `[..., 12]`."""
    return torch.cat([shares, shares[..., 4:] / shares[..., :4]], dim=-1)


def _read(means: Tensor) -> Tensor:
    """Shares of contribution, effective scores, and those of all others: `[..., 8]` → `[..., 12]`."""
    contributions, effects = means[..., :4], means[..., 4:]
    others = effects.sum(-1, keepdim=True) - effects
    return torch.cat([contributions / contributions.sum(-1, keepdim=True), effects, others], dim=-1)
