"""The loop: types of each row, then every condition on the same rows, a few rows in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.corpora.batches import Batch
from neuroglot.corpora.corpus import Task
from neuroglot.deactivation.generating import generated_right
from neuroglot.deactivation.plan import Plan
from neuroglot.deactivation.questions import Questions
from neuroglot.deactivation.scoring import Scorer
from neuroglot.deactivation.types import at_random, languages_firing, members_by_type, of_equal_size
from neuroglot.evaluation import LOGIT_BUDGET
from neuroglot.metrics.deactivation import OUTCOMES
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.progress import track

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(eq=False)
class Run:
    """One deactivation in progress."""

    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    task: Task
    questions: Questions
    plan: Plan
    token_budget: int

    def counts(self) -> dict[str, Tensor]:
        """`baseline`, `deactivated`, `random` and `sizes` as in `Deactivation`."""
        languages, totals = len(self.questions.languages), self._empty()
        value, of_corpus = self._value(), self._corpus_members() if self.plan.level == "corpus" else None
        budget = min(self.token_budget, max(1, LOGIT_BUDGET // int(text_config(self.view.model).vocab_size)))
        groups = list(self.questions.groups(self.token_budget))
        for group in track(groups, f"deactivating on {self.task.name}", len(groups)):
            places = [text.row for text in group.texts[::languages]]
            members = of_corpus or self._members(self._firing(group), self._ids(places))
            scorer = Scorer(self.view, self.questions, places, self.plan.scope, value, budget)
            self._add(totals, scorer, members, places)
        if self.plan.by_generation and of_corpus is not None:
            self._generate(totals, of_corpus, value)
        return totals

    def _empty(self) -> dict[str, Tensor]:
        rows, types, layers = len(self.questions.rows), len(self.plan.types), len(self.view.layout.layers)
        shape = rows, len(self.questions.languages), len(OUTCOMES)
        return {
            "baseline": torch.zeros(shape, dtype=torch.float64),
            "deactivated": torch.zeros(types, *shape, dtype=torch.float64),
            "random": torch.zeros(self.plan.draws, types, *shape, dtype=torch.float64),
            "sizes": torch.zeros(types, rows, layers, dtype=torch.int32),
        }

    def _add(
        self, totals: dict[str, Tensor], scorer: Scorer, members: Mapping[str, Tensor], places: Sequence[int]
    ) -> None:
        """Score some rows under every condition."""
        totals["baseline"][places] = on = scorer.counts()
        for draw, place, off in self._conditions(members, places):
            found = scorer.counts(off) if bool(off.any()) else on  # nothing off: nothing changes
            if draw is None:
                totals["deactivated"][place, places] = found
                totals["sizes"][place, places] = self.view.layout.sum_by_layer(off.int()).int()
            else:
                totals["random"][draw, place, places] = found

    def _firing(self, group: Batch) -> Tensor:
        return languages_firing(self.view, group, len(self.questions.languages), self.plan.recording)

    def _ids(self, places: Sequence[int]) -> list[str]:
        return [self.task.ids[self.questions.rows[place]] for place in places]

    def _members(self, firing: Tensor, ids: Sequence[str]) -> dict[str, Tensor]:
        members = members_by_type(firing, len(self.questions.languages), self.plan.types)
        if self.plan.equal_size:
            return of_equal_size(self.view.layout, members, self.plan.seed, ids)
        return members

    def _conditions(
        self, members: Mapping[str, Tensor], places: Sequence[int]
    ) -> Iterator[tuple[int | None, int, Tensor]]:
        """Draw (None for the type itself), type and what is off `[rows, N]`; one mask in memory at a time."""
        plan, rows = self.plan, len(places)
        ids = ["corpus"] if plan.level == "corpus" else self._ids(places)
        for place, (name, part) in enumerate(members.items()):
            yield None, place, part.expand(rows, -1)
            for draw in range(plan.draws):
                off = at_random(self.view.layout, part, plan.seed, ids, name, draw)
                yield draw, place, off.expand(rows, -1)

    def _corpus_members(self) -> dict[str, Tensor]:
        """One set a type, `[1, N]`: the neurons that are of the type on enough rows."""
        plan, languages = self.plan, len(self.questions.languages)
        rows_of_type = dict.fromkeys(plan.types, torch.zeros(self.view.layout.neuron_count, dtype=torch.int64))
        for group in self.questions.groups(self.token_budget):
            found = members_by_type(self._firing(group), languages, plan.types)
            rows_of_type = {name: total + found[name].sum(0) for name, total in rows_of_type.items()}
        enough = plan.corpus_share * len(self.questions.rows)
        members = {name: (total >= enough)[None] for name, total in rows_of_type.items()}
        return of_equal_size(self.view.layout, members, plan.seed, ["corpus"]) if plan.equal_size else members

    def _value(self) -> float | Tensor:
        """What the coefficients become: 0, `[N]`, or `[G, N]` by language."""
        if self.plan.value == "zero":
            return 0.0
        tokens: Literal["all", "last"] = "last" if self.plan.scope == "last" else "all"
        recording = Recording("write", tokens, statistics=("moments",))
        prompts = self.task.prompts.take(self.questions.rows)
        means = record(self.view, self.tokenizer, prompts, recording).mean()
        if self.plan.value == "mean":
            return means.nanmean(0).nan_to_num(0).float()
        others = [torch.cat([means[:g], means[g + 1 :]]).nanmean(0) for g in range(len(means))]
        return torch.stack(others).nan_to_num(0).float()  # experts that no such token reached have no mean

    def _generate(self, totals: dict[str, Tensor], of_corpus: Mapping[str, Tensor], value: float | Tensor) -> None:
        """Fill in the outcome `generated`, under every condition."""
        column, plan = list(OUTCOMES).index("generated"), self.plan
        nothing = torch.zeros(self.view.layout.neuron_count, dtype=torch.bool)
        args = self.view, self.tokenizer, self.task, self.questions
        totals["baseline"][..., column] = generated_right(*args, nothing, value, self.token_budget)
        for place, (name, part) in enumerate(of_corpus.items()):
            totals["deactivated"][place, ..., column] = generated_right(*args, part[0], value, self.token_budget)
            for draw in range(plan.draws):
                off = at_random(self.view.layout, part, plan.seed, ["corpus"], name, draw)[0]
                totals["random"][draw, place, ..., column] = generated_right(*args, off, value, self.token_budget)
