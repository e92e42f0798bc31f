"""`export`: a checkpoint without some neurons, for use without neuroglot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from neuroglot.recipes.artefacts import neuron_file
from neuroglot.recipes.options import USE, OnModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.models import ModelView
    from neuroglot.neurons import NeuronSet
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    neurons: NeuronSet


@dataclass(frozen=True, kw_only=True)
class Export(OnModel):
    """Save the model without some neurons, as a checkpoint that plain transformers loads from the run folder."""

    command = "export"
    group = USE
    examples = """
    neuroglot export ./my-model --ablate selected/de.safetensors --out no-german"""
    positional = ("model",)
    heading: ClassVar[str] = "Model"

    ablate: Path
    """File of a neuron set, or a run folder with one: the value vectors of these neurons are zero in the checkpoint."""

    device: str | None = "cpu"
    """Where the model is held meanwhile; the processor's memory is the larger one."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.neurons import NeuronSet

        neurons = identity.file("neurons", neuron_file(self.ablate), NeuronSet.load)
        view, tokenizer = self.load_model(identity, self.model)
        view.layout.require_same(neurons.layout, "The neuron set")
        return _Inputs(view, tokenizer, neurons)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.interventions.folding import write_folded
        from neuroglot.reports import Report

        view, tokenizer, neurons = inputs
        write_folded(view, neurons, run.files, tokenizer)
        counted = f"{len(neurons):,} of {view.layout.neuron_count:,} neurons are folded out"
        title = f"{Path(self.model).name} without {len(neurons):,} neurons"
        return Report([neurons], title=title, notes=[f"{counted} of the checkpoint in this folder."])

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, weight_bytes
        from neuroglot.runs.price import price

        size = weight_bytes(inputs.view)
        largest = max(parameter.nbytes for parameter in inputs.view.model.parameters())
        return price(*inputs[:2], [], largest * len(inputs.view.layout.layers), size + REPORT_BYTES)
