"""`export`: a checkpoint without some neurons, or with what was tuned of them, for use without neuroglot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from neuroglot.errors import ConfigError
from neuroglot.recipes.options import USE, OnModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.models import ModelView
    from neuroglot.neurons import NeuronSet
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.training.deltas import NeuronDeltas


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    neurons: NeuronSet
    deltas: NeuronDeltas | None


@dataclass(frozen=True, kw_only=True)
class Export(OnModel):
    """Save the model without some neurons, or with what was tuned of them, as a checkpoint that plain transformers
    loads from the run folder.
    """

    command = "export"
    group = USE
    examples = """
    neuroglot export ./my-model --ablate selected/de.safetensors --out no-german
    neuroglot export ./my-model --deltas tuned --out better-german      # of neuroglot tune --train-neurons --adapter
    neuroglot export better-german --deltas tuned --subtract --out german-again"""
    positional = ("model",)
    heading: ClassVar[str] = "Model"

    ablate: Path | None = None
    """File of a neuron set, or a run folder with one: the value vectors of these neurons are zero in the checkpoint."""

    deltas: Path | None = None
    """Run folder of `neuroglot tune` with --train-neurons, or its deltas.safetensors: they are merged into the
    weights."""

    subtract: bool = False
    """Take the deltas away again from a model into which they were merged, in place of adding them."""

    device: str | None = "cpu"
    """Where the model is held meanwhile; the processor's memory is the larger one."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.neurons import NeuronSet
        from neuroglot.recipes.artefacts import artefact, neuron_file
        from neuroglot.training.deltas import DELTAS_FILE, NeuronDeltas

        if self.subtract and self.deltas is None:
            raise ConfigError("Neurons that are off were to be subtracted.", "Expected --deltas beside --subtract.")
        if self.ablate is not None and self.deltas is None:
            deltas, neurons = None, identity.file("neurons", neuron_file(self.ablate), NeuronSet.load)
        elif self.deltas is not None and self.ablate is None:
            deltas = identity.file("deltas", artefact(self.deltas, DELTAS_FILE), NeuronDeltas.load)
            neurons = deltas.neurons
        else:
            raise ConfigError("Got neurons and deltas, or neither.", "Expected --ablate or --deltas.")
        view, tokenizer = self.load_model(identity, self.model)
        view.layout.require_same(neurons.layout, "The neuron set")
        if deltas is not None and not self.subtract:  # the model behind them has other weights
            require_made_for(view, tokenizer, deltas)
        return _Inputs(view, tokenizer, neurons, deltas)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.interventions.folding import write_folded
        from neuroglot.reports import Report
        from neuroglot.training.deltas import merge
        from neuroglot.training.tuning import save_model

        view, tokenizer, neurons, deltas = inputs
        counted = f"{len(neurons):,} of {view.layout.neuron_count:,} neurons are"
        if deltas is None:
            write_folded(view, neurons, run.files, tokenizer)
            title = f"{Path(self.model).name} without {len(neurons):,} neurons"
            return Report([neurons], title=title, notes=[f"{counted} folded out of the checkpoint in this folder."])
        merge(view, deltas.scaled(-1) if self.subtract else deltas)
        save_model(view.model, tokenizer, run.files)
        preposition, said = ("without", "as they were before") if self.subtract else ("with", "tuned")
        title = f"{Path(self.model).name} {preposition} {len(neurons):,} tuned neurons"
        return Report([neurons], title=title, notes=[f"{counted} {said} in the checkpoint in this folder."])

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, weight_bytes
        from neuroglot.runs.price import price

        size = weight_bytes(inputs.view)
        largest = max(parameter.nbytes for parameter in inputs.view.model.parameters())
        return price(*inputs[:2], [], largest * len(inputs.view.layout.layers), size + REPORT_BYTES)


def require_made_for(view: ModelView, tokenizer: PreTrainedTokenizerBase, deltas: NeuronDeltas) -> None:
    """Raise `ConfigError` unless the deltas were learned on this model."""
    from neuroglot.models.provenance import made_with

    here = made_with(view, tokenizer)["weights"]
    there = deltas.signature.get("weights")
    if here != there:
        raise ConfigError(
            f"The deltas were learned on a model with the weights {there}, and this one has {here}.",
            "Expected the model that was tuned.",
        )
