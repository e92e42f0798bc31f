"""`attribute`: what neurons of each category contribute to right answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from neuroglot.recipes.options import PROVE, OnModel, OnTask, Share, SiteName

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


@dataclass(frozen=True, kw_only=True)
class Attribute(OnModel, OnTask):
    """Score what neurons of each category (all-shared, partial-shared, specific, none) contribute to right answers."""

    command = "attribute"
    group = PROVE
    examples = """
    neuroglot attribute lab --corpus lab --task currency --out run
    neuroglot attribute bigscience/bloomz-560m --corpus xnli.test.tsv --languages en de ru --limit 1000 --out run
    neuroglot attribute ./my-model --corpus my_task.yaml --contrastive --frozen-norm --out run"""
    positional = ("model",)
    shares_rows = True

    top_share: Share = 0.0488
    """Share of a layer's neurons, those of highest contribution, that is told apart by category."""

    frozen_norm: bool = False
    """Score the effect through the final norm, at the scale that it has at that position."""

    contrastive: bool = False
    """Score the right option's first token against the mean of the wrong options'."""

    site: SiteName = "post_act"
    """Where a neuron's category is read: `post_act`, output of the nonlinearity, or `write`, input of the down
    projection."""

    fires: float = 0.0
    """A neuron, whose category this tells, fires where its value is greater."""

    def read(self, identity: Identity) -> _Inputs:
        task = self.load_task(identity)
        return _Inputs(*self.load_model(identity, self.model), task)

    @property
    def _options(self) -> dict[str, Any]:
        from neuroglot.activity.recording import Recording

        return {
            "recording": Recording(site=self.site, tokens="last", fires=(self.fires,), special_tokens=True),
            "top_share": self.top_share, "frozen_norm": self.frozen_norm, "contrastive": self.contrastive,
        }  # fmt: skip

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.attribution.attribution import Attribution
        from neuroglot.attribution.recording import attribute
        from neuroglot.reports import Report

        attribution = run.once(
            "attribution.safetensors", Attribution,
            lambda: attribute(*inputs, **self._options, kept=run.kept("scores")),
        )  # fmt: skip
        title = f"Attribution on {attribution.data} of {attribution.signature['model']}"
        return Report([attribution], title=title)

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.attribution.recording import GROUPS, KEPT, attribute
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import PricedStep, price

        view, tokenizer, task = inputs
        kept = 4 * len(KEPT) * len(task) * len(task.languages) * len(view.layout.layers) * len(GROUPS)
        step = PricedStep("attribution", task, lambda part: attribute(view, tokenizer, part, **self._options))
        return price(view, tokenizer, [step], kept, kept + REPORT_BYTES)
