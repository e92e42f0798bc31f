"""The loop: types of each row, then every condition on the same rows, a few rows in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from neuroglot.activity.passes import automatic_token_budget
from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.corpora.corpus import Task
from neuroglot.errors import ConfigError
from neuroglot.experiments.deactivation_scoring import (
    Scope,
    Scorer,
    at_random,
    generated_right,
    languages_firing,
    longest_answer,
    members_by_type,
    of_equal_size,
)
from neuroglot.experiments.evaluation import LOGIT_BUDGET, require_decoder
from neuroglot.metrics.deactivation import OUTCOMES, Deactivation
from neuroglot.models.locating import text_config
from neuroglot.models.provenance import generation_signature, made_with
from neuroglot.models.view import ModelView
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.tokens.answers import Questions, read_questions
from neuroglot.tokens.batches import Batch
from neuroglot.tokens.tokenizing import context_limit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


Level = Literal["row", "corpus"]
Value = Literal["zero", "mean", "mean of other languages"]


@dataclass(frozen=True)
class Plan:
    """The options of `deactivate`, which says what they mean."""

    recording: Recording
    level: Level
    corpus_share: float
    scope: Scope
    value: Value
    types: tuple[str, ...]
    draws: int
    equal_size: bool
    by_generation: bool
    seed: int

    def check(self, view: ModelView, task: Task) -> None:
        """Raise `ConfigError` where the options do not fit each other, the model or the task."""
        require_decoder(view)
        choices = {"level": get_args(Level), "scope": get_args(Scope), "value": get_args(Value)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                expected = ", ".join(map(repr, allowed))
                raise ConfigError(f"Got {name}={getattr(self, name)!r}.", f"Expected one of {expected}.")
        if not self.types or len(set(self.types)) != len(self.types) or not set(self.types) <= set(CATEGORIES):
            raise ConfigError(f"Got the types {self.types}.", f"Expected some of {', '.join(CATEGORIES)}, each once.")
        if self.draws < 1 or not 0 < self.corpus_share <= 1:
            raise ConfigError(
                f"Got draws={self.draws} and corpus_share={self.corpus_share}.",
                "Expected one draw or more, and a share above 0 and at most 1.",
            )
        if len(task.languages) < 2 or len(self.recording.fires) != 1 or self.recording.tokens not in ("all", "last"):
            raise ConfigError(
                f"Types were asked for in {len(task.languages)} language(s) of {self.recording.signature}.",
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
            value=self.value, types=",".join(self.types), random_draws=self.draws, equal_size=self.equal_size,
            by_generation=self.by_generation, seed=self.seed, interval="95 % bootstrap over rows",
        )  # fmt: skip


def deactivate(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    *,
    recording: Recording | None = None,
    level: Level = "row",
    corpus_share: float = 0.5,
    scope: Scope = "all",
    value: Value = "zero",
    types: Sequence[str] = CATEGORIES,
    draws: int = 5,
    equal_size: bool = False,
    by_generation: bool = False,
    seed: int = 0,
    token_budget: int | None = None,
) -> Deactivation:
    """Switch off the neurons of each type in turn and score the answers, beside random sets of the same size.

    A row's types are read at the last token of its prompts over all G languages (`recording`, by default
    `Recording.sharing_matters()`): all-shared neurons fire in all of them, partial-shared in 2 to G-1, specific in one,
    non-activated in none.

    * `level`: `row`, each row's own types; or `corpus`, one set for all, the neurons that are of the type on at least
      `corpus_share` of the rows (some may be of no type, or at exactly a half of two).
    * `scope`: the tokens at which they are off: `all` of prompt and answer, the `last` of the prompt, the `prompt`, or
      the `answer` (then its first token is predicted with all neurons on).
    * `value`: what their coefficients become: `zero`; their `mean` over the task's prompts, every language counting the
      same; or the `mean of other languages`. The means are over the prompts' last tokens for the scope `last`, else
      over all their tokens but special ones.
    * `draws` random sets a type, with as many neurons in every layer as the row's own set, drawn from all neurons of
      the layer. `equal_size` first cuts each type, in every layer, to the smallest that is not empty there.
    * Scored are, teacher-forced: the log-probability of the right answer; whether each of its tokens is ranked first,
      which is what greedy decoding would write up to the answer's length; and where the task has options, whether the
      right one has strictly the highest log-probability, summed and per token. `by_generation` also generates, which
      needs the level `corpus` and the scope `all`: a generated text has positions that no row's mask knows beforehand.

    Rows that cannot be scored in one language are left out in all and counted by reason. Source: Wang et al. 2024
    (Sharing Matters), who switch the types off but release no code for it; scope, value and controls we found stated
    nowhere, so that the defaults are our choice. Raises `ConfigError` for options that contradict each other and models
    that are no decoders, `CorpusError` where no row can be scored.
    """
    recording = recording or Recording.sharing_matters()
    plan = Plan(recording, level, corpus_share, scope, value, tuple(types), draws, equal_size, by_generation, seed)
    plan.check(view, task)
    questions = _questions(view, tokenizer, task, by_generation)
    budget = token_budget or automatic_token_budget(view)
    run = Run(view, tokenizer, task, questions, plan, budget)
    with view.evaluating():
        counts = run.counts()
    rows = len(questions.rows)
    signature = made_with(view, tokenizer, task, rows=rows, dropped=len(task) - rows) | plan.signature
    if by_generation:
        signature |= generation_signature(view.model)
    ids = tuple(task.ids[row] for row in questions.rows)
    return Deactivation(
        task.name,
        view.layout,
        task.languages,
        plan.types,
        ids,
        **counts,
        signature=signature,
        dropped=questions.dropped,
    )


def _questions(view: ModelView, tokenizer: PreTrainedTokenizerBase, task: Task, by_generation: bool) -> Questions:
    limit = context_limit(tokenizer, text_config(view.model))
    questions = read_questions(tokenizer, task, limit)
    if by_generation and limit is not None:
        return read_questions(tokenizer, task, limit - longest_answer(questions))
    return questions


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
