"""`specialize select`: the neurons that each direction of translation keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le

from neuroglot.recipes.artefacts import ACTIVITY, MASKS, artefact, job_of
from neuroglot.recipes.options import USE, OnModel, OnPivot

if TYPE_CHECKING:
    from neuroglot.activity.activity import Activity
    from neuroglot.neurons.rules.by_direction import Coverage
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

Percent = Annotated[int, Ge(0), Le(100)]


@dataclass(frozen=True, kw_only=True)
class SpecializeSelect(OnPivot):
    """Keep, in each direction and layer, the fewest neurons that make up a share of all firing."""

    command = "specialize select"
    group = USE
    examples = """
    neuroglot specialize select collected --out masks
    neuroglot specialize select collected --coverage 70 --zero-shot de-fr \\
        --out masks"""
    positional = ("activity",)

    activity: Path
    """Run folder of `neuroglot specialize collect`, or its activity.safetensors."""

    coverage: Percent = 95
    """Percent of the firing that is kept."""

    en2x_enc: Percent | None = None
    """Another percent for encoders of directions out of the pivot."""

    en2x_dec: Percent | None = None
    """And for their decoders."""

    x2en_enc: Percent | None = None
    """For encoders of directions into the pivot."""

    x2en_dec: Percent | None = None
    """And for their decoders."""

    zero_shot: tuple[str, ...] = ()
    """Directions past the pivot, such as `de-fr`: the encoder's neurons of de-en, the decoder's of en-fr."""

    def read(self, identity: Identity) -> Activity:
        from neuroglot.activity.activity import Activity

        return identity.file("activity", artefact(self.activity, ACTIVITY), Activity.load)

    def work(self, run: Run, inputs: Activity) -> Report:
        from neuroglot.neurons.rules.by_direction import select_masks
        from neuroglot.reports import Report

        masks = select_masks(inputs, self._percents).with_zero_shot(self.zero_shot, self.pivot)
        masks.save(run.files / MASKS)
        return Report([masks], title="Neurons of directions of translation")

    def following(self, out: Path) -> tuple[str, ...]:
        """Translate with those neurons only, other rows than those that were counted."""
        collected = job_of(self.activity)
        model = collected.model if isinstance(collected, OnModel) else "MODEL"
        texts = ("--corpus", "OTHER-TEXTS", *self.flags("pivot"))
        return ("specialize", "evaluate", model, "--masks", str(out), *texts, "--out", f"{out}-evaluated")

    def price(self, inputs: Activity) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        bits = (len(inputs.languages) + len(self.zero_shot)) * inputs.layout.neuron_count
        return of_files([artefact(self.activity, ACTIVITY)], [MASKS], bits // 8 + REPORT_BYTES)

    @property
    def _percents(self) -> Coverage:
        from neuroglot.neurons.rules.by_direction import Coverage

        names = ("en2x_enc", "en2x_dec", "x2en_enc", "x2en_dec")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(Coverage.of(self.coverage), pivot=self.pivot, **given)
