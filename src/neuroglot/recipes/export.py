"""`export`: a checkpoint without some neurons, or with what was tuned of them, for use without neuroglot."""

from __future__ import annotations

from collections.abc import Mapping
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
    from neuroglot.training.low_rank import LowRankDeltas


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    neurons: NeuronSet | None
    deltas: NeuronDeltas | LowRankDeltas | None
    learned_on: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class Export(OnModel):
    """Save the model without some neurons, or with the deltas or adapters that were tuned, as a checkpoint that plain
    transformers loads from the run folder.
    """

    command = "export"
    group = USE
    examples = """
    neuroglot export ./my-model --ablate selected/de.safetensors --out no-german
    neuroglot export ./my-model --deltas tuned --out better-german      # of neuroglot tune --train-neurons --adapter
    neuroglot export better-german --deltas tuned --subtract --out german-again
    neuroglot export ./my-model --deltas adapters --out merged         # of neuroglot tune --adapter, or of PEFT"""
    positional = ("model",)
    heading: ClassVar[str] = "Model"

    ablate: Path | None = None
    """File of a neuron set, or a run folder with one: the value vectors of these neurons are zero in the checkpoint."""

    deltas: Path | None = None
    """Run folder of `neuroglot tune` with --train-neurons, or its deltas.safetensors, or a folder of low-rank adapters
    as `neuroglot tune --adapter` and PEFT save them: they are merged into the weights."""

    subtract: bool = False
    """Take the deltas away again from a model into which they were merged, in place of adding them."""

    device: str | None = "cpu"
    """Where the model is held meanwhile; the processor's memory is the larger one."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.neurons import NeuronSet
        from neuroglot.recipes.artefacts import neuron_file

        if self.subtract and self.deltas is None:
            raise ConfigError("Neurons that are off were to be subtracted.", "Expected --deltas beside --subtract.")
        if (self.ablate is None) == (self.deltas is None):
            raise ConfigError("Got neurons and deltas, or neither.", "Expected --ablate or --deltas.")
        if self.ablate is None:
            return self._with_deltas(identity)
        neurons = identity.file("neurons", neuron_file(self.ablate), NeuronSet.load)
        view, tokenizer = self.load_model(identity, self.model)
        view.layout.require_same(neurons.layout, "The neuron set")
        return _Inputs(view, tokenizer, neurons, None)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.interventions.folding import write_folded
        from neuroglot.reports import Report
        from neuroglot.training.tuning import save_model

        view, tokenizer, neurons, deltas, _ = inputs
        name = Path(self.model).name
        if deltas is None and neurons is not None:
            write_folded(view, neurons, run.files, tokenizer)
            notes = [f"{_counted(neurons)} are folded out of the checkpoint in this folder."]
            return Report([neurons], title=f"{name} without {len(neurons):,} neurons", notes=notes)
        report = self._merged(inputs, f"{name} {'without' if self.subtract else 'with'}")
        save_model(view.model, tokenizer, run.files)
        return report

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, weight_bytes
        from neuroglot.runs.price import price

        size = weight_bytes(inputs.view)
        largest = max(parameter.nbytes for parameter in inputs.view.model.parameters())
        return price(*inputs[:2], [], largest * len(inputs.view.layout.layers), size + REPORT_BYTES)

    def _with_deltas(self, identity: Identity) -> _Inputs:
        from neuroglot.errors import ArtifactError
        from neuroglot.recipes.artefacts import artefact, model_of_run
        from neuroglot.training.deltas import DELTAS_FILE, NeuronDeltas
        from neuroglot.training.low_rank import ADAPTER_CONFIG, ADAPTER_FILE, LowRankDeltas

        assert self.deltas is not None
        deltas: NeuronDeltas | LowRankDeltas
        made_for: Mapping[str, object] | None
        if (self.deltas / ADAPTER_CONFIG).is_file():
            identity.file("config of the deltas", self.deltas / ADAPTER_CONFIG, Path.read_bytes)
            deltas, neurons = identity.file("deltas", self.deltas / ADAPTER_FILE, LowRankDeltas.load), None
            made_for = model_of_run(self.deltas)
        else:
            if self.deltas.is_dir() and not (self.deltas / DELTAS_FILE).is_file():
                raise ArtifactError(
                    f"{self.deltas} holds neither {DELTAS_FILE} nor {ADAPTER_CONFIG}.",
                    "Expected a run folder of `neuroglot tune --adapter`, or a folder of low-rank adapters.",
                    "Whole weights that were tuned are a checkpoint as they are.",
                )
            deltas = identity.file("deltas", artefact(self.deltas, DELTAS_FILE), NeuronDeltas.load)
            neurons, made_for = deltas.neurons, deltas.signature.to_json()
        view, tokenizer = self.load_model(identity, self.model)
        if neurons is not None:
            view.layout.require_same(neurons.layout, "The neuron set")
        if made_for is not None:
            require_made_for(view, tokenizer, made_for, subtract=self.subtract)
        return _Inputs(view, tokenizer, neurons, deltas, made_for)

    def _merged(self, inputs: _Inputs, named: str) -> Report:
        """What is said of the deltas, after they were added or taken away."""
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.reports.sections.low_rank import low_rank_section
        from neuroglot.training.deltas import NeuronDeltas, merge
        from neuroglot.training.low_rank import merge_low_rank

        view, tokenizer, neurons, deltas, learned_on = inputs
        assert deltas is not None
        scaled, made = deltas.scaled(-1) if self.subtract else deltas, made_with(view, tokenizer)
        said = "are tuned in the checkpoint in this folder."
        if self.subtract:  # a later stage may have tuned them on, so that no hash tells
            said = (
                "are without what was tuned in the checkpoint in this folder; that it was in them is taken for granted."
            )
        if isinstance(scaled, NeuronDeltas) and neurons is not None:
            merge(view, scaled)
            title = f"{named} {len(neurons):,} tuned neurons"
            return Report([neurons], title=title, notes=[f"{_counted(neurons)} {said}"])
        norms = merge_low_rank(view.model, scaled)  # type: ignore[arg-type]
        notes = [f"The weights of {len(norms):,} modules {said}", *self._on_model(learned_on)]
        return Report([low_rank_section(norms, made)], title=f"{named} adapters", notes=notes)

    def _on_model(self, learned_on: Mapping[str, object] | None) -> list[str]:
        """What is to be known of adapters that name no model, or were trained on weights of 4 bits."""
        from neuroglot.recipes.artefacts import job_of
        from neuroglot.recipes.tune import Tune

        job = None if self.deltas is None else job_of(self.deltas)
        is_qlora = (isinstance(job, Tune) and job.qlora) or bool((learned_on or {}).get("four_bits"))
        if learned_on is None:
            return [
                "Nothing beside the adapters says on which model they were learned: this one was taken at its word."
            ]
        if is_qlora and self.subtract:
            return [
                "The adapters were trained in 4 bits: without them the weights are those that the 4 bits stand for."
            ]
        return [
            "The adapters were trained on these weights in 4 bits; on whole ones they compute what they did not learn."
        ] * is_qlora


def _counted(neurons: NeuronSet) -> str:
    return f"{len(neurons):,} of {neurons.layout.neuron_count:,} neurons"


def require_made_for(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, learned_on: Mapping[str, object], *, subtract: bool = False
) -> None:
    """Raise `ConfigError` unless deltas or adapters were learned on this model, by its weights and its tokenizer; to be
    subtracted, they must be in it: it must have other weights than those that they were learned on.
    """
    from neuroglot.models.provenance import made_with

    here = made_with(view, tokenizer)
    if subtract and here["weights"] == learned_on.get("weights"):
        raise ConfigError(
            "The deltas were learned on this very model, which is without them.",
            "Expected a model into which they were merged.",
        )
    for name, said in (("weights", "the weights"), ("tokenizer", "the tokenizer")):
        then = learned_on.get(name)
        if then is not None and here[name] != then and not (subtract and name == "weights"):
            raise ConfigError(
                f"The deltas were learned on a model with {said} {then}, and this one has {here[name]}.",
                "Expected the model that was tuned.",
            )
