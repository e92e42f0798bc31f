"""The loop: categories of each row, then every condition on the same rows, a few rows in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from neuroglot.activity.passes import automatic_token_budget
from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.seen import SameRows, rows_selected_on, sorted_hashes, told_rows
from neuroglot.errors import ConfigError
from neuroglot.experiments.deactivation_scoring import (
    OffTokens,
    Scorer,
    generated_right,
    languages_firing,
    longest_answer,
    members_by_category,
    of_equal_size,
    random_masks,
)
from neuroglot.experiments.scoring import LOGIT_BUDGET
from neuroglot.headers import Choice
from neuroglot.metrics.deactivation import OUTCOMES, Deactivation
from neuroglot.models.locating import text_config
from neuroglot.models.open_interventions import chosen_in
from neuroglot.models.provenance import generation_signature, made_with
from neuroglot.models.view import ModelView
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import Batch
from neuroglot.tokens.examples import Unfit
from neuroglot.tokens.questions import Questions, read_questions
from neuroglot.tokens.tokenizing import context_limit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


Level = Literal["row", "corpus"]
OffValue = Literal["zero", "mean", "mean of other languages"]


@dataclass(frozen=True)
class Plan:
    """The options of `deactivate`, which says what they mean."""

    recording: Recording
    level: Level
    corpus_share: float
    scope: OffTokens
    value: OffValue
    categories: tuple[str, ...]
    draws: int
    equal_size: bool
    by_generation: bool
    seed: int

    def check(self, view: ModelView, task: Task) -> None:
        """Raise `ConfigError` where the options do not fit each other, the model or the task."""
        view.require("next-token predictions")
        choices = {"level": get_args(Level), "scope": get_args(OffTokens), "value": get_args(OffValue)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                expected = ", ".join(map(repr, allowed))
                raise ConfigError(f"Got {name}={getattr(self, name)!r}.", f"Expected one of {expected}.")
        if (
            not self.categories
            or len(set(self.categories)) != len(self.categories)
            or not set(self.categories) <= set(CATEGORIES)
        ):
            raise ConfigError(
                f"Got the categories {self.categories}.", f"Expected some of {', '.join(CATEGORIES)}, each once."
            )
        if self.draws < 1 or not 0 < self.corpus_share <= 1:
            raise ConfigError(
                f"Got draws={self.draws} and corpus_share={self.corpus_share}.",
                "Expected one draw or more, and a share above 0 and at most 1.",
            )
        if len(task.languages) < 2 or len(self.recording.fires) != 1 or self.recording.tokens not in ("all", "last"):
            raise ConfigError(
                f"Categories were asked for in {len(task.languages)} language(s) of {self.recording.signature}.",
                "They are defined for two languages or more, one threshold, and the last or all tokens of a prompt.",
            )
        if self.by_generation and (self.level != "corpus" or self.scope != "all"):
            raise ConfigError(
                f"Generated text was asked for at the level {self.level!r} in the scope {self.scope!r}.",
                "Expected the level 'corpus' and the scope 'all'.",
                "The outcome 'exact' is what greedy decoding would write, at any level and scope.",
            )

    @property
    def signature(self) -> Signature:
        return self.recording.signature | Signature.of(
            level=self.level, corpus_share=self.corpus_share if self.level == "corpus" else None, scope=self.scope,
            value=self.value, categories=",".join(self.categories), random_draws=self.draws, equal_size=self.equal_size,
            by_generation=self.by_generation, seed=self.seed, interval="95 % over rows",
        )  # fmt: skip


def deactivate(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    *,
    recording: Recording | None = None,
    level: Level = "row",
    corpus_share: float = 0.5,
    scope: OffTokens = "all",
    value: OffValue = "zero",
    categories: Sequence[str] = CATEGORIES,
    draws: int = 5,
    equal_size: bool = False,
    by_generation: bool = False,
    seed: int = 0,
    counted_on: Task | None = None,
    same_rows: SameRows = "refuse",
    unfit: Unfit = "drop",
    token_budget: int | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Deactivation:
    """Switch off the neurons of each category in turn and score the answers, beside random sets of the same size.

    A row's categories are read at the last token of its prompts over all G languages (`recording`, by default
    `Recording.sharing_matters()`): all-shared neurons fire in all of them, partial-shared in 2 to G-1, specific in one,
    non-activated in none.

    * `level`: `row`, each row's own categories; or `corpus`, one set for all, the neurons that are of the category on
      at least `corpus_share` of the rows of `counted_on` (some may be of no category, or at exactly a half of two).
      Rows that are answered are refused there: the same ones, which are meant where nothing is given, need
      `same_rows="allow"`. At the level `row` a category is what a row's own neurons do, and no choice.
    * `scope`: the tokens at which they are off: `all` of prompt and answer, the `last` of the prompt, the `prompt`, or
      the `answer` (then its first token is predicted with all neurons on).
    * `value`: what their coefficients become: `zero`; their `mean` over the task's prompts, every language counting the
      same; or the `mean of other languages`. The means are over the prompts' last tokens for the scope `last`, else
      over all their tokens but special ones.
    * `draws` random sets a category, with as many neurons in every layer as the row's own set, drawn from all neurons
      of the layer. `equal_size` first cuts each category, in every layer, to the smallest that is not empty there.
    * Scored are, teacher-forced: the log-probability of the right answer; whether each of its tokens is ranked first,
      which is what greedy decoding would write up to the answer's length; and where the task has options, whether the
      right one has strictly the highest log-probability, summed and per token. `by_generation` also generates, which
      needs the level `corpus` and the scope `all`: a generated text has positions that no row's mask knows beforehand.

    Rows that are `unfit` in one language (`tokens.examples`) are dropped in all and counted by reason, or refused.
    Source: Wang et al. 2024 (Sharing Matters), who switch the categories off but release no code for it; scope, value
    and controls we found stated nowhere, so that the defaults are our choice. What was scored is kept in `kept`. Raises
    `ConfigError` for options that contradict each other, `UnsupportedModelError` for models that are no decoders,
    `CorpusError` for rows to refuse or if none is left.
    """
    recording = recording or Recording.sharing_matters()
    plan = Plan(recording, level, corpus_share, scope, value, tuple(categories), draws, equal_size, by_generation, seed)
    plan.check(view, task)
    seen = rows_selected_on(task, [*chosen_in(view.model), *_chosen(plan, task, counted_on)], same_rows)
    questions = _questions(view, tokenizer, task, by_generation, unfit)
    counted = questions if counted_on is None else _questions(view, tokenizer, counted_on, False, unfit)
    budget = token_budget or automatic_token_budget(view)
    run = _Deactivating(view, tokenizer, task, questions, counted, plan, budget, kept)
    with view.evaluating():
        counts = run.counts()
    rows = len(questions.rows)
    made = made_with(view, tokenizer, task, rows=rows, dropped=len(task) - rows)
    signature = made | plan.signature | _told_counted(counted_on, len(counted.rows)) | told_rows(seen)
    if by_generation:
        signature |= generation_signature(view.model)
    ids = tuple(task.ids[row] for row in questions.rows)
    return Deactivation(
        task.name,
        view.layout,
        task.languages,
        plan.categories,
        ids,
        **counts,
        signature=signature,
        dropped=dict(questions.dropped),
    )


def _chosen(plan: Plan, task: Task, counted_on: Task | None) -> list[Choice]:
    """On which texts the categories of a whole corpus depend; raises `ConfigError` for texts that nothing asks for."""
    if plan.level == "row":
        if counted_on is not None:
            raise ConfigError(
                f"The task {counted_on.name!r} was given to count on at the level 'row'.",
                "Expected the level 'corpus': a row's own categories are read on the row itself.",
            )
        return []
    if counted_on is not None and counted_on.languages != task.languages:
        raise ConfigError(
            f"Categories were to be counted in {', '.join(counted_on.languages)}.",
            f"Expected the languages that are asked, {', '.join(task.languages)}.",
        )
    return [Choice(Signature(), torch.from_numpy(sorted_hashes(counted_on or task)))]


def _told_counted(counted_on: Task | None, rows: int) -> Signature:
    """What a signature says of other rows that the categories were counted on."""
    return Signature.of(counted_on=f"{counted_on.name} {counted_on.hash} {rows} rows") if counted_on else Signature()


def _questions(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, task: Task, by_generation: bool, unfit: Unfit
) -> Questions:
    limit = context_limit(tokenizer, text_config(view.model))
    questions = read_questions(tokenizer, task, limit, unfit)
    if by_generation and limit is not None:
        return read_questions(tokenizer, task, limit - longest_answer(questions), unfit)
    return questions


@dataclass(eq=False)
class _Deactivating:
    """One deactivation in progress."""

    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    task: Task
    questions: Questions
    counted: Questions  # on which the categories of a corpus are counted
    plan: Plan
    token_budget: int
    kept: Kept

    def counts(self) -> dict[str, Tensor]:
        """`baseline`, `deactivated`, `random` and `sizes` as in `Deactivation`."""
        languages, totals = len(self.questions.languages), self._empty()
        value = self._value()
        of_corpus = self.kept.once("members", self._corpus_members) if self.plan.level == "corpus" else None
        budget = min(self.token_budget, max(1, LOGIT_BUDGET // int(text_config(self.view.model).vocab_size)))
        groups = list(self.questions.groups(self.token_budget))
        for group in track(groups, f"switching off on {self.task.name}", len(groups)):
            places = [text.row for text in group.texts[::languages]]
            scorer = Scorer(self.view, self.questions, places, self.plan.scope, value, budget)
            scored = self.kept.once(
                f"rows-{places[0]}-{places[-1]}-{len(places)}", partial(self._scored, group, scorer, of_corpus, places)
            )
            for name, part in scored.items():
                rows = totals[name].movedim(-2 if name == "sizes" else -3, 0)
                rows[places] = part.movedim(-2 if name == "sizes" else -3, 0)
        if self.plan.by_generation and of_corpus is not None:
            self._generate(totals, of_corpus, value)
        return totals

    def _empty(self, rows: int | None = None) -> dict[str, Tensor]:
        rows = len(self.questions.rows) if rows is None else rows
        categories, layers = len(self.plan.categories), len(self.view.layout.layers)
        shape = rows, len(self.questions.languages), len(OUTCOMES)
        return {
            "baseline": torch.zeros(shape, dtype=torch.float64),
            "deactivated": torch.zeros(categories, *shape, dtype=torch.float64),
            "random": torch.zeros(self.plan.draws, categories, *shape, dtype=torch.float64),
            "sizes": torch.zeros(categories, rows, layers, dtype=torch.int32),
        }

    def _scored(
        self, group: Batch, scorer: Scorer, of_corpus: Mapping[str, Tensor] | None, places: Sequence[int]
    ) -> dict[str, Tensor]:
        """Some rows under every condition: `totals`, of these rows alone."""
        members = of_corpus or self._members(self._firing(group), self._ids(places))
        totals = self._empty(len(places))
        totals["baseline"][:] = on = scorer.counts()
        for draw, place, off in self._conditions(members, places):
            found = scorer.counts(off) if bool(off.any()) else on  # nothing off: nothing changes
            if draw is None:
                totals["deactivated"][place] = found
                totals["sizes"][place] = self.view.layout.sum_by_layer(off.int()).int()
            else:
                totals["random"][draw, place] = found
        return totals

    def _firing(self, group: Batch) -> Tensor:
        return languages_firing(self.view, group, len(self.questions.languages), self.plan.recording)

    def _ids(self, places: Sequence[int]) -> list[str]:
        return [self.task.ids[self.questions.rows[place]] for place in places]

    def _members(self, firing: Tensor, ids: Sequence[str]) -> dict[str, Tensor]:
        members = members_by_category(firing, len(self.questions.languages), self.plan.categories)
        if self.plan.equal_size:
            return of_equal_size(self.view.layout, members, self.plan.seed, ids)
        return members

    def _conditions(
        self, members: Mapping[str, Tensor], places: Sequence[int]
    ) -> Iterator[tuple[int | None, int, Tensor]]:
        """Draw (None for the category itself), category and what is off `[rows, N]`; one mask in memory at a time."""
        plan, rows = self.plan, len(places)
        ids = ["corpus"] if plan.level == "corpus" else self._ids(places)
        for place, (name, part) in enumerate(members.items()):
            yield None, place, part.expand(rows, -1)
            for draw in range(plan.draws):
                off = random_masks(self.view.layout, part, plan.seed, ids, name, draw)
                yield draw, place, off.expand(rows, -1)

    def _corpus_members(self) -> dict[str, Tensor]:
        """One set a category, `[1, N]`: the neurons that are of the category on enough rows."""
        plan, languages = self.plan, len(self.questions.languages)
        rows_of_category = dict.fromkeys(plan.categories, torch.zeros(self.view.layout.neuron_count, dtype=torch.int64))
        for group in self.counted.groups(self.token_budget):
            found = members_by_category(self._firing(group), languages, plan.categories)
            rows_of_category = {name: total + found[name].sum(0) for name, total in rows_of_category.items()}
        enough = plan.corpus_share * len(self.counted.rows)
        members = {name: (total >= enough)[None] for name, total in rows_of_category.items()}
        return of_equal_size(self.view.layout, members, plan.seed, ["corpus"]) if plan.equal_size else members

    def _value(self) -> float | Tensor:
        """What the coefficients become: 0, `[N]`, or `[G, N]` by language."""
        if self.plan.value == "zero":
            return 0.0
        tokens: Literal["all", "last"] = "last" if self.plan.scope == "last" else "all"
        recording = Recording("write", tokens, statistics=("moments",))
        prompts = self.task.prompts.take(self.questions.rows)
        means = record(self.view, self.tokenizer, prompts, recording, kept=self.kept.below("means")).mean()
        if self.plan.value == "mean":
            return means.nanmean(0).nan_to_num(0).float()
        others = [torch.cat([means[:g], means[g + 1 :]]).nanmean(0) for g in range(len(means))]
        return torch.stack(others).nan_to_num(0).float()  # experts that no such token reached have no mean

    def _generate(self, totals: dict[str, Tensor], of_corpus: Mapping[str, Tensor], value: float | Tensor) -> None:
        """Fill in the outcome `generated`, under every condition."""
        column, plan = list(OUTCOMES).index("generated"), self.plan

        def right(name: str, off: Tensor) -> Tensor:
            args = self.view, self.tokenizer, self.task, self.questions, off, value, self.token_budget
            return self.kept.once(f"generated-{name}", lambda: {"right": generated_right(*args)})["right"]

        nothing = torch.zeros(self.view.layout.neuron_count, dtype=torch.bool)
        totals["baseline"][..., column] = right("baseline", nothing)
        for index, (name, part) in enumerate(of_corpus.items()):
            totals["deactivated"][index, ..., column] = right(name, part[0])
            for draw in range(plan.draws):
                off = random_masks(self.view.layout, part, plan.seed, ["corpus"], name, draw)[0]
                totals["random"][draw, index, ..., column] = right(f"{name}-{draw}", off)
