"""`lab train`: the lab's corpus and model, made anew, or a model like it of other texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from annotated_types import Gt

from neuroglot.recipes.options import HELP, OnCorpus, Positive, Seeded
from neuroglot.recipes.training_options import Shaped, Trained

if TYPE_CHECKING:
    from pathlib import Path

    from neuroglot.corpora import Corpus
    from neuroglot.lab import LabConfig
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    config: LabConfig
    rows: Corpus | None  # None: the lab's, which are generated


@dataclass(frozen=True, kw_only=True)
class LabTrain(OnCorpus, Trained, Shaped, Seeded):
    """Train a small model from nothing, on the lab's corpus or another, and write it in the hub's own layout.

    Needs the extra: pip install 'neuroglot[lab]'. The run folder is the model, with the rows that were held out; the
    defaults made the shipped one.
    """

    command = "lab train"
    group = HELP
    examples = """
    neuroglot lab train --out my-lab
    neuroglot lab train --minutes 10 --seed 1 --out my-lab
    neuroglot lab train --architecture transnormer --ffn 352 --out my-linear-lab
    neuroglot lab train --corpus flores/ --languages en de fr --held-out-documents 100 --out my-own-lab"""

    corpus: str = "lab"
    """Parallel text, or `lab`, whose documents and questions are generated anew for each seed."""

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
    """Parallel documents to train on; of other text the rows that are not held out, at most so many."""

    questions: Positive = 800
    """Questions to train on, by task; of other text there are none."""

    held_out_documents: Positive = 240
    """Parallel documents that are kept to be read, in `held_out.jsonl`; of other text rows, drawn from the seed."""

    held_out_questions: Positive = 60
    """Questions that are kept to be asked, by task."""

    def read(self, identity: Identity) -> _Inputs:
        from importlib.metadata import version

        from neuroglot import extras
        from neuroglot.errors import ConfigError
        from neuroglot.lab import LabConfig
        from neuroglot.lab.generator import corpus_of_rows
        from neuroglot.signature import Signature

        for package in ("babel", "num2words"):
            extras.require(package, extra="lab")
        made_by = {package: version(package) for package in ("babel", "num2words", "tokenizers")}
        identity.note("generator", Signature.of(**made_by))
        config = LabConfig(
            self.seed, self.documents, self.questions, self.held_out_documents, self.held_out_questions,
            self.vocabulary, self.hidden, self.layers, self.heads, self.ffn, steps=self.steps,
            batch_rows=self.batch_size, minutes=self.minutes, architecture=self.architecture,
        )  # fmt: skip
        if self.corpus != "lab":
            rows = self.load_corpus(identity)
            corpus_of_rows(rows, config)  # refused before anything is learned
            return _Inputs(config, rows)
        if self.languages or self.limit or self.column:
            raise ConfigError(
                "Languages, rows or a column were asked of the lab's text.",
                "Expected them of another --corpus: the lab's is generated in all of its languages.",
                "Say --documents for fewer rows.",
            )
        return _Inputs(config, None)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot import progress
        from neuroglot.lab.artefacts import write_artefacts
        from neuroglot.lab.training import train_lab
        from neuroglot.metrics.losses import LossCurve
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.signature import Signature

        with progress.steps("training") as on_step:
            made = train_lab(
                inputs.config, rows=inputs.rows, kept=run.kept("training"), checkpoint_every=self.checkpoint_every,
                on_step=on_step,
            )  # fmt: skip
        write_artefacts(run.files, made.model, made.tokenizer, made.corpus, made.config)
        signature = made_with() | Signature.of(
            corpus_hash=made.corpus.train.hash, held_out_hash=made.corpus.held_out.hash, seed=self.seed,
            steps=made.config.steps, hidden=self.hidden, layers=self.layers, heads=self.heads, ffn=self.ffn,
            architecture=self.architecture,
        )  # fmt: skip
        return Report([LossCurve(made.losses, signature, "nats per weighted token")], title="The lab, trained")

    def following(self, out: Path) -> tuple[str, ...]:
        """Analyse the new model, on rows that it has not read."""
        text = "lab" if self.corpus == "lab" else str(out / "held_out.jsonl")
        return ("analyze", str(out), "--corpus", text, "--out", f"{out}-analyzed")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.lab.training import begin, read_once_packed
        from neuroglot.models.view import view
        from neuroglot.recipes.steps import training_bytes, training_step
        from neuroglot.runs.price import price

        config = inputs.config
        corpus, tokenizer, model = begin(config, inputs.rows)

        def run(part: Corpus) -> None:
            read_once_packed(model, tokenizer, part, config)

        text = next(iter(corpus.train.texts.values()))
        tokens = len(tokenizer.encode("\n".join(text[:100]))) / len(text[:100])
        needed = round(config.steps * config.batch_rows * config.row_tokens / tokens)
        step = training_step("training", corpus.train, run, needed, examples_a_row=len(corpus.train.languages))
        located = view(model)
        size = training_bytes(model, located)
        return price(located, tokenizer, [step], size, size)
