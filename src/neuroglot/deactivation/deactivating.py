"""`deactivate`: the types of neurons switched off, beside random sets of the same size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuroglot.activity.budget import automatic_token_budget
from neuroglot.activity.recording import Recording
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.tokenizing import context_limit
from neuroglot.deactivation.generating import longest_answer
from neuroglot.deactivation.plan import Level, Plan, Value
from neuroglot.deactivation.questions import Questions, read_questions
from neuroglot.deactivation.run import Run
from neuroglot.deactivation.scoring import Scope
from neuroglot.metrics.deactivation import Deactivation
from neuroglot.models.loading import model_signature
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.signature import Signature, versions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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
    signature = model_signature(view.model) | _data_signature(task, questions) | plan.signature | versions()
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


def _data_signature(task: Task, questions: Questions) -> Signature:
    dropped = len(task) - len(questions.rows)
    return Signature.of(corpus=task.name, corpus_hash=task.hash, rows=len(questions.rows), rows_dropped=dropped)
