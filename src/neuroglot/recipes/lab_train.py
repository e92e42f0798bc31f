"""`lab train`: the lab's corpus and model, made anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt

from neuroglot.recipes.options import HELP, Positive, Seeded
from neuroglot.recipes.training_options import Shaped, Trained

if TYPE_CHECKING:
    from pathlib import Path

    from neuroglot.corpora import Corpus
    from neuroglot.lab import LabConfig
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class LabTrain(Trained, Shaped, Seeded):
    """Generate the lab's corpus, train its model from nothing, and write both in the hub's own layout.

    Needs the extra: pip install 'neuroglot[lab]'. The run folder is the model; its defaults made the shipped one.
    """

    command = "lab train"
    group = HELP
    examples = """
    neuroglot lab train --out my-lab
    neuroglot lab train --minutes 10 --seed 1 --out my-lab
    neuroglot lab train --architecture transnormer --ffn 352 --out my-linear-lab"""

    seed: int = 0
    """Seed of corpus, initialisation and order; the shipped model has 0."""

    architecture: Literal["llama", "transnormer"] = "llama"
    """What is trained: a Llama, or a TransNormerLLM, whose attention is linear."""

    minutes: Annotated[float, Gt(0)] | None = None
    """Train for about this long, for a smaller model on the spot; by default the full recipe."""

    steps: Positive = 4000
    """Updates of the weights, at most."""

    batch_size: Positive = 16
    """Rows a step, each of several texts."""

    documents: Positive = 4000
    """Parallel documents to train on."""

    questions: Positive = 800
    """Questions to train on, by task."""

    held_out_documents: Positive = 240
    """Parallel documents that are kept to be read."""

    held_out_questions: Positive = 60
    """Questions that are kept to be asked, by task."""

    def read(self, identity: Identity) -> LabConfig:
        from importlib.metadata import version

        from neuroglot import extras
        from neuroglot.lab import LabConfig
        from neuroglot.signature import Signature

        for package in ("babel", "num2words"):
            extras.require(package, extra="lab")
        made_by = {package: version(package) for package in ("babel", "num2words", "tokenizers")}
        identity.note("generator", Signature.of(**made_by))
        return LabConfig(
            self.seed, self.documents, self.questions, self.held_out_documents, self.held_out_questions,
            self.vocabulary, self.hidden, self.layers, self.heads, self.ffn, steps=self.steps,
            batch_rows=self.batch_size, minutes=self.minutes, architecture=self.architecture,
        )  # fmt: skip

    def work(self, run: Run, inputs: LabConfig) -> Report:
        from neuroglot import progress
        from neuroglot.lab.artefacts import write_artefacts
        from neuroglot.lab.training import train_lab
        from neuroglot.metrics.losses import LossCurve
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.signature import Signature

        with progress.steps("training") as on_step:
            made = train_lab(inputs, kept=run.kept("training"), checkpoint_every=self.checkpoint_every, on_step=on_step)
        write_artefacts(run.files, made.model, made.tokenizer, made.corpus, made.config)
        signature = made_with() | Signature.of(
            corpus_hash=made.corpus.train.hash, held_out_hash=made.corpus.held_out.hash, seed=self.seed,
            steps=made.config.steps, hidden=self.hidden, layers=self.layers, heads=self.heads, ffn=self.ffn,
            architecture=self.architecture,
        )  # fmt: skip
        return Report([LossCurve(made.losses, signature, "nats per weighted token")], title="The lab, trained")

    def following(self, out: Path) -> tuple[str, ...]:
        """Analyse the new model."""
        return ("analyze", str(out), "--corpus", "lab", "--out", f"{out}-analyzed")

    def price(self, inputs: LabConfig) -> Price:
        from neuroglot.lab.training import begin, read_once_packed
        from neuroglot.models.view import view
        from neuroglot.recipes.steps import training_bytes, training_step
        from neuroglot.runs.price import price

        corpus, tokenizer, model = begin(inputs)

        def run(part: Corpus) -> None:
            read_once_packed(model, tokenizer, part, inputs)

        text = next(iter(corpus.train.texts.values()))
        tokens = len(tokenizer.encode("\n".join(text[:100]))) / len(text[:100])
        needed = round(inputs.steps * inputs.batch_rows * inputs.row_tokens / tokens)
        step = training_step("training", corpus.train, run, needed, examples_a_row=len(corpus.train.languages))
        located = view(model)
        size = training_bytes(model, located)
        return price(located, tokenizer, [step], size, size)
