"""`specialize compact`: a model of one direction from which all other neurons are cut out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.options import USE, OnMasks, OnModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.models import ModelView
    from neuroglot.neurons.masks import DirectionMasks
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    masks: DirectionMasks


@dataclass(frozen=True, kw_only=True)
class SpecializeCompact(OnModel, OnMasks):
    """Cut the neurons out that a direction does not keep, and say what that saves.

    `neuroglot.interventions.compacting.load_compacted` reads the run folder; plain transformers cannot, because widths
    differ by layer.
    """

    command = "specialize compact"
    group = USE
    examples = """
    neuroglot specialize compact ./my-model --masks masks --direction en-de \\
        --out my-en-de"""
    positional = ("model",)

    direction: str
    """Such as `en-de`."""

    def read(self, identity: Identity) -> _Inputs:
        masks = self.load_masks(identity)
        masks.place(self.direction)
        view, tokenizer = self.load_model(identity, self.model)
        view.layout.require_same(masks.layout, "The masks")
        return _Inputs(view, tokenizer, masks)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.interventions.compacting import compact, timed, write_compacted
        from neuroglot.reports import Report
        from neuroglot.reports.sections.compaction import compaction_section

        view, tokenizer, masks = inputs
        small = compact(view, masks, self.direction, self.semantics)
        costs = {"before": timed(view, view.model), "after": timed(view, small.model)}
        write_compacted(small, run.files, tokenizer)
        section = compaction_section(small, view.layout, costs, self._signature(inputs))
        return Report([section], title=f"{Path(self.model).name} for {self.direction} only")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, weight_bytes
        from neuroglot.runs.price import price

        size = weight_bytes(inputs.view)
        return price(*inputs[:2], [], size, size + REPORT_BYTES)

    def _signature(self, inputs: _Inputs) -> Signature:
        from neuroglot.models import made_with
        from neuroglot.signature import Signature

        options = Signature.of(direction=self.direction, semantics=self.semantics)
        return made_with(inputs.view, inputs.tokenizer) | inputs.masks.described | options
