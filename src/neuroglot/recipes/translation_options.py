"""Options that recipes which train on translations, or write them, have; each stands once, here, with its help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge, Gt

from neuroglot.recipes.options import Natural, Positive, Searching
from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from neuroglot.corpora.directions import Direction
    from neuroglot.models.architectures.sga import SGAForConditionalGeneration
    from neuroglot.runs.identity import Identity


@dataclass(frozen=True, kw_only=True)
class Into(Recipe):
    """From which language into which ones texts are translated."""

    into: tuple[str, ...]
    """Languages to translate into, by code."""

    source: str | None = None
    """Language to translate from; the corpus's only one by default."""


@dataclass(frozen=True, kw_only=True)
class Truncating(Recipe):
    """What becomes of translations that are cut off."""

    keep_truncated: bool = False
    """Keep translations that reached --max-new-tokens; they are failures by default."""


@dataclass(frozen=True, kw_only=True)
class BatchedSearch(Searching):
    """How many positions are held at once."""

    heading: ClassVar[str] = "Decoding"

    token_budget: Positive = 4096
    """Positions a batch, read and written, beams and all."""


@dataclass(frozen=True, kw_only=True)
class OfDirections(Recipe):
    """How often each direction comes."""

    temperature: Annotated[float, Ge(1)] = 5.0
    """Directions are drawn with p ∝ n^(1/temperature); 1 draws them by size."""


@dataclass(frozen=True, kw_only=True)
class WarmedUp(Recipe):
    """How large a step is."""

    learning_rate: Annotated[float, Gt(0)] = 5e-4
    """Highest learning rate, behind a tenth of the steps of warm-up."""


@dataclass(frozen=True, kw_only=True)
class TestedRows(Recipe):
    """Which rows are translated behind a training."""

    test_rows: Positive = 60
    """Rows that are translated; they are not trained on."""


@dataclass(frozen=True, kw_only=True)
class ScoredBehind(TestedRows):
    """By which metric these translations are compared."""

    metric: str = "chrf++"
    """By which translations are scored, a text metric by name."""


@dataclass(frozen=True, kw_only=True)
class Denoising(Recipe):
    """How often what SGA wrote is read again."""

    denoising_passes: Natural = 4
    """Passes behind the alignment, at most; a text that changes no more is passed no more."""


@dataclass(frozen=True, kw_only=True)
class OnWriter(Denoising):
    """Which model of SGA is asked."""

    model: str
    """The run folder of `neuroglot sga train`, or a hub id of such a model."""

    def require_taught(
        self, identity: Identity, model: SGAForConditionalGeneration, directions: Sequence[Direction]
    ) -> None:
        """Raise for a language that it was not taught to write; directions that are new to it become a remark."""
        from neuroglot.errors import listed
        from neuroglot.tokens.canvases import taught_directions, untaught

        if new := untaught(model, directions):
            taught = listed(model.config.taught or (), 9)
            identity.remarks.append(
                f"The writer was not taught {listed(taught_directions(new))}: it was taught {taught}."
            )
