"""`probe`: how a model should decide on its texts, and how sure it is, by language."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from neuroglot.decisions.names import NamedRule
from neuroglot.recipes.options import PROVE, Beams, OnModel, OnTask, Positive, Seeded, Writing
from neuroglot.recipes.parallel import OnParallel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Directed, Task
    from neuroglot.experiments.ruled_texts import Probed, Probing
    from neuroglot.models import Family, ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price, PricedStep
    from neuroglot.runs.run import Run

PROBED_QUESTIONS = 100


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    selection: Probed  # what transforms are fitted on
    held_out: Probed
    probing: Probing


@dataclass(frozen=True, kw_only=True)
class Probe(OnModel, OnParallel, OnTask, Writing, Seeded):
    """Compare decision rules on a task or on translations, and tell how well a model knows what it knows, by language.

    Transforms of scores are fitted on a part of the rows, all numbers are of the others; a tuned temperature is the
    control. The run folder keeps the fitted transforms, for --transform of other commands, and all texts.
    """

    command = "probe"
    group = PROVE
    examples = """
    neuroglot probe lab --corpus lab --task translate_date --out run
    neuroglot probe ./my-model --corpus mgsm --metric numeric --languages de sw --out run
    neuroglot probe ./my-model --corpus flores.tsv --directions en-de en-sw --rules mbr-chrf --out run"""
    positional = ("model",)

    corpus: str
    """A task (see `neuroglot deactivate`), `lab` with --task, whose questions are drawn from those held out from
    its training, or parallel text, which is translated."""

    limit: Positive | None = None
    """Read so many rows, the first ones; all by default. Of the lab so many questions are drawn, by default 100."""

    split: float = 0.5
    """Share of the rows on which transforms are fitted; no number is of them."""

    beam_sizes: tuple[Beams, ...] = (2, 4, 8)
    """Beams to search, beside greedy search, which is one beam."""

    rules: tuple[NamedRule, ...] = ("epsilon", "majority", "mbr-chrf")
    """Rules to compare beside greedy search, beams and samples, as in `neuroglot generate --rule`."""

    samples: Positive = 8
    """Draws among which `majority` and `mbr-…` decide: once as the model is, once at the tuned temperature."""

    tuned_by: Literal["likelihood", "metric"] = "likelihood"
    """Tune the control's temperature to the likelihood of the rows to fit on, or to the metric of draws on them, which
    writes seven times the draws."""

    metric: str | None = None
    """By which texts are scored, a name of `neuroglot score`; `exact-match` of a task and `chrf` of translations by
    default."""

    stop: tuple[str, ...] | None = None
    """Texts before the first of which one ends, beside the model's own end; a new line by default."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.models.loading import require_known
        from neuroglot.tokens.asked import require_askable

        self._require_all_rows()
        family = require_known(self.model, self.revision)
        selection, held_out = self._parts(identity, family)
        probing = self._probing(held_out)
        view, tokenizer = self.load_model(identity, self.model)
        require_askable(view, tokenizer, held_out)
        view.require("generated text")
        return _Inputs(view, tokenizer, selection, held_out, probing)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.decisions.fitting import Fitted
        from neuroglot.experiments.probing import probe
        from neuroglot.generation.texts import GeneratedTexts
        from neuroglot.reports import Report

        probed = probe(
            *inputs,
            once_texts=lambda name, make: run.once(f"texts/{name}.jsonl", GeneratedTexts, make),
            once_fitted=lambda name, make: run.once(f"transforms/{name}", Fitted, make),
        )
        title = f"Decisions of {probed.rules.signature['model']} on {inputs.held_out.name}"
        return Report([probed.rules, probed.likelihoods, *probed.calibrations], title=title, notes=probed.remarks)

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.corpora import Task
        from neuroglot.recipes.steps import REPORT_BYTES, scoring, with_answer
        from neuroglot.runs.price import PricedStep, price, prompts_or_text

        view, tokenizer, selection, held_out, probing = inputs
        texts = probing.texts_a_row
        read = with_answer if isinstance(held_out, Task) else prompts_or_text
        steps = [
            scoring(view, tokenizer, selection, 1),
            scoring(view, tokenizer, held_out, 1),
            PricedStep(
                f"writing on {held_out.name}", held_out, lambda part: _write(inputs, part), texts,
                written=self.max_new_tokens,
            ),
            *self._choosing(inputs),
            PricedStep("scoring texts", held_out, scoring(view, tokenizer, held_out, 1).run, texts, read=read),
        ]  # fmt: skip
        size = 4 * self.max_new_tokens * len(held_out) * len(held_out.languages) * texts
        return price(view, tokenizer, steps, 2 * size, size + REPORT_BYTES)

    def _choosing(self, inputs: _Inputs) -> list[PricedStep]:
        from neuroglot.runs.price import PricedStep

        texts, data = inputs.probing.texts_to_fit, inputs.selection
        name, run = f"choosing a temperature on {data.name}", partial(_write, inputs)
        return [PricedStep(name, data, run, texts, written=self.max_new_tokens)] if texts else []

    def _require_all_rows(self) -> None:
        from neuroglot.errors import ConfigError

        if self.part != "all" or not 0 < self.split < 1:
            raise ConfigError(
                f"Got the part {self.part!r} and the split {self.split:g}.",
                "Expected all rows, and a split between 0 and 1, because transforms are fitted on a part of them.",
            )

    def _parts(self, identity: Identity, family: Family) -> tuple[Probed, Probed]:
        """The rows to fit on and those to report."""
        from neuroglot.corpora.tasks import is_task

        if self.task is not None or is_task(self.corpus):
            return self._task(identity).split(self.split)
        directed = self._directed(identity, family)
        first, second = directed.corpus.split(self.split)
        return replace(directed, corpus=first), replace(directed, corpus=second)

    def _task(self, identity: Identity) -> Task:
        """The task; of the lab, more questions that were held out from its training."""
        from neuroglot.lab import lab_questions
        from neuroglot.recipes.reading import note_data

        if self.corpus != "lab":
            return self.load_task(identity)
        task = lab_questions(self.task or "", self.limit or PROBED_QUESTIONS, self.seed, held_out=True)
        task = task if self.languages is None else task.select(self.languages)
        note_data(identity, task)
        return task

    def _directed(self, identity: Identity, family: Family) -> Directed:
        from neuroglot.corpora import Directed
        from neuroglot.errors import ConfigError

        data = self.load_parallel(identity, family)
        if not isinstance(data, Directed):
            raise ConfigError(
                f"{self.corpus} is parallel text.",
                "Expected a task, whose answers are known, or directions of translation.",
                "Name them: --directions en-de de-en.",
            )
        return data

    def _probing(self, data: Probed) -> Probing:
        from neuroglot.corpora import Task
        from neuroglot.experiments.ruled_texts import Probing
        from neuroglot.generation.stopping import check_stop

        is_task = isinstance(data, Task)
        stop = (("\n",) if is_task else ()) if self.stop is None else self.stop
        check_stop(stop)
        metric = self.metric or ("exact-match" if is_task else "chrf")
        return Probing(
            metric, self.beam_sizes, self.rules, self.samples, self.max_new_tokens, stop, self.seed, self.tuned_by
        )


def _write(inputs: _Inputs, part: Probed) -> None:
    """Greedy texts of these rows: what a text is timed by."""
    from neuroglot.experiments.ruled_texts import writers_of
    from neuroglot.generation.decoding import Decoding

    for write in writers_of(inputs.view, inputs.tokenizer, part, inputs.probing).values():
        write(Decoding(inputs.probing.max_new_tokens))
