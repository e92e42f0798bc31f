"""`deactivate`: neurons of each category off, row by row, and the answers that change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from neuroglot.recipes.options import PROVE, Controlled, Draws, OnModel, OnTask, Proving, Share

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Task
    from neuroglot.models import ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    task: Task
    counted_on: Task | None = None  # for the categories of a whole corpus


@dataclass(frozen=True, kw_only=True)
class Deactivate(OnModel, OnTask, Controlled, Proving):
    """Switch off all-shared, partial-shared, specific and non-activated neurons, and see which answers change.

    Each category stands beside random sets with as many neurons in every layer. The categories depend on how many
    languages there are.
    """

    command = "deactivate"
    group = PROVE
    examples = """
    neuroglot deactivate lab --corpus lab --task currency --out run
    neuroglot deactivate ./my-model --corpus xnli/ --languages de sw zh --limit 500 --out run
    neuroglot deactivate ./my-model --corpus my_task.yaml --value mean --equal-size --out run"""
    positional = ("model",)

    level: Literal["row", "corpus"] = "row"
    """The categories of each `row`, or one set a category for the whole `corpus`, which is counted on the share --split
    of the rows while the others are answered; with --same-rows allow both are all rows."""

    corpus_share: Share = 0.5
    """At the level `corpus`, the share of rows on which a neuron must be of a category."""

    scope: Literal["all", "last", "prompt", "answer"] = "all"
    """Tokens at which neurons are off: `all`, the `last` one of the prompt, the `prompt`, or the `answer`."""

    value: Literal["zero", "mean", "mean of other languages"] = "zero"
    """What the coefficients become: `zero`, their `mean` over the prompts, or the `mean of other languages`."""

    random_draws: Draws = 5
    """Random sets a category."""

    equal_size: bool = False
    """First cut each category, in every layer, to the size of the smallest that is not empty there."""

    by_generation: bool = False
    """Generate too, and see whether the text begins with the answer; needs the level `corpus` and the scope `all`."""

    def read(self, identity: Identity) -> _Inputs:
        task, counted_on = self.load_task(identity), None
        if self.level == "corpus" and self.same_rows == "refuse":
            counted_on, task = task.split(self.split)
        return _Inputs(*self.load_model(identity, self.model), task, counted_on)

    @property
    def _options(self) -> dict[str, Any]:
        names = ("level", "corpus_share", "scope", "value", "equal_size", "by_generation", "seed", "same_rows")
        return {name: getattr(self, name) for name in names}

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.deactivation import deactivate
        from neuroglot.metrics.deactivation import Deactivation
        from neuroglot.reports import Report

        deactivation = run.once(
            "deactivation.safetensors", Deactivation,
            lambda: deactivate(
                *inputs[:3], **self._options, counted_on=inputs.counted_on, draws=self.random_draws,
                kept=run.kept("conditions"),
            ),
        )  # fmt: skip
        title = f"Categories of neurons switched off in {deactivation.signature['model']}"
        return Report([deactivation], title=title)

    def price(self, inputs: _Inputs) -> Price:
        from dataclasses import replace

        from neuroglot.activity.record import record
        from neuroglot.experiments.deactivation import deactivate
        from neuroglot.generation.decoding import Decoding
        from neuroglot.metrics.deactivation import OUTCOMES
        from neuroglot.neurons.categories import CATEGORIES
        from neuroglot.recipes.steps import REPORT_BYTES, with_options, writing
        from neuroglot.runs.price import PricedStep, price
        from neuroglot.tokens.batches import TOKEN_BUDGET

        view, tokenizer, task = inputs[:3]
        categories, passes = len(CATEGORIES), 1 + (self.level == "corpus") + (self.value != "zero")
        conditions, timed = 1 + categories * (1 + self.random_draws), 1 + categories * 2
        options = self._options | {"by_generation": False, "same_rows": "allow"}
        steps = [
            PricedStep("categories of neurons", task, lambda part: record(view, tokenizer, part.prompts), passes),
            PricedStep(
                f"scoring {task.name} with neurons off", task,
                lambda part: deactivate(view, tokenizer, part, draws=1, **options), conditions, timed, with_options,
            ),
        ]  # fmt: skip
        if self.by_generation:
            encoded = [tokenizer(list(column))["input_ids"] for column in task.answers.texts.values()]
            longest = max(len(ids) for column in encoded for ids in column)
            steps.append(replace(writing(view, tokenizer, task.prompts, Decoding(longest)), times=conditions))
        counts = 8 * conditions * len(task) * len(task.languages) * len(OUTCOMES)
        rows_at_once = max(1, TOKEN_BUDGET // (16 * len(task.languages)))  # of short prompts
        masks = (categories + 4) * view.layout.neuron_count * min(rows_at_once, len(task))
        return price(view, tokenizer, steps, counts + masks, counts + REPORT_BYTES)
