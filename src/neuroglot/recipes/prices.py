"""What each job reads and how often: arithmetic, which tests hold against the forwards of real jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from neuroglot.activity.record import record, record_generated_sharing, record_several_sharings
from neuroglot.activity.recording import Recording
from neuroglot.activity.tallies import ActivityTally, SharingTally
from neuroglot.attribution.recording import GROUPS, KEPT, attribute
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.experiments.deactivation import deactivate
from neuroglot.experiments.evaluation import evaluate
from neuroglot.experiments.scoreboard import STATISTICS, TEXT_MEANS, gather, needed_by
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.layout import Site
from neuroglot.metrics.deactivation import OUTCOMES
from neuroglot.metrics.metrics import ExactAnswer, NatsPerToken
from neuroglot.models.view import ModelView
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.neurons.rules.table import Needs, selector_named
from neuroglot.runs.price import Price, Step, price, prompts_or_text
from neuroglot.tokens.batches import TOKEN_BUDGET

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

REPORT_BYTES = 6 * 2**20  # a page with its figures, about


def price_recording(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, corpus: Corpus, recording: Recording
) -> Price:  # fmt: skip
    """Of `record_into`: one reading. On disk lies the activity, and until it is done what was counted so far."""
    kept = _activity_bytes(view, corpus, recording)
    step = Step("counting", corpus, lambda part: record(view, tokenizer, part, recording))
    return price(view, tokenizer, [step], kept, 2 * kept)


def price_sharing(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpora: Sequence[Corpus],
    site: Site,
    thresholds: Sequence[float],
    new_tokens: int = 0,
) -> Price:
    """Of `study_sharing`: one reading of each corpus, whatever the number of thresholds, and what is generated."""
    recordings = [Recording(site, "last", (threshold,), True) for threshold in thresholds]
    recordings.append(replace(recordings[0], tokens="all"))
    steps, kept = [], 0
    for corpus in corpora:
        kept += _sharing_bytes(view, corpus, recordings[0])
        name = f"counting on {corpus.name}"
        steps.append(Step(name, corpus, lambda part: record_several_sharings(view, tokenizer, part, recordings)))
        if new_tokens:
            steps.append(_writing(view, tokenizer, corpus, new_tokens, replace(recordings[0], tokens="generated")))
    return price(view, tokenizer, steps, len(recordings) * kept, kept + REPORT_BYTES)


def price_selection(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    needs: Collection[Needs],
    recording: Recording,
) -> Price:
    """Of `gather` and a selector, whose sets are at most all neurons of each language."""
    steps, kept = _gathering(view, tokenizer, corpus, needs, recording)
    return price(view, tokenizer, steps, kept, 8 * len(corpus.languages) * view.layout.neuron_count)


def price_ablation(view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Corpus | Task, draws: int) -> Price:
    """Of `ablation_matrix`: a reading with no neurons off, with each language's, and with each random set."""
    return price(view, tokenizer, [_scoring(view, tokenizer, data, _conditions(data, draws))], 0, REPORT_BYTES)


def price_scoreboard(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    selection_rows: Corpus,
    held_out_rows: Corpus,
    selectors: Sequence[str],
    draws: int,
    recording: Recording,
) -> Price:
    """Of `compare_selectors`: what all selectors need is gathered once, and random sets are scored on one language."""
    needs = needed_by([selector_named(name) for name in selectors])
    steps, kept = _gathering(view, tokenizer, selection_rows, needs, recording)
    times = len(selectors) * (1 + len(held_out_rows.languages) + draws)
    return price(view, tokenizer, [*steps, _scoring(view, tokenizer, held_out_rows, times)], kept, REPORT_BYTES)


def price_analysis(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    selection_rows: Corpus,
    held_out_rows: Corpus,
    recording: Recording,
    draws: int,
    tasks: Sequence[Task] = (),
    ablated: Task | None = None,
) -> Price:
    """Of `analyze`: two readings of the rows to select on, an ablation on others, and tasks, one of them `ablated`."""
    last = replace(recording, tokens="last")
    kept = _activity_bytes(view, selection_rows, recording) + _sharing_bytes(view, selection_rows, last)
    steps = [
        Step("counting", selection_rows, lambda part: record(view, tokenizer, part, recording)),
        Step("sharing", selection_rows, lambda part: record_several_sharings(view, tokenizer, part, [last])),
        _scoring(view, tokenizer, held_out_rows, _conditions(held_out_rows, draws)),
        *(_scoring(view, tokenizer, task, 1) for task in tasks),
    ]
    if ablated is not None:
        steps.append(_scoring(view, tokenizer, ablated, _conditions(ablated, draws)))
    return price(view, tokenizer, steps, kept, kept + REPORT_BYTES)


def price_attribution(view: ModelView, tokenizer: PreTrainedTokenizerBase, task: Task, **options: Any) -> Price:
    """Of `attribute` with its `options`: one reading of the prompts."""
    kept = 4 * len(KEPT) * len(task) * len(task.languages) * len(view.layout.layers) * len(GROUPS)
    step = Step("attribution", task, lambda part: attribute(view, tokenizer, part, **options))
    return price(view, tokenizer, [step], kept, kept + REPORT_BYTES)


def price_deactivation(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    *,
    draws: int,
    by_generation: bool = False,
    **options: Any,
) -> Price:
    """Of `deactivate` with its `options`: prompts are read for the types, all answers under every condition."""
    types, passes = len(CATEGORIES), 1 + (options["level"] == "corpus") + (options["value"] != "zero")
    conditions, timed = 1 + types * (1 + draws), 1 + types * 2

    def run(part: Task) -> object:
        return deactivate(view, tokenizer, part, draws=1, **options)

    steps = [
        Step("types of neurons", task, lambda part: record(view, tokenizer, part.prompts), passes),
        Step(f"scoring {task.name} with neurons off", task, run, conditions, timed, _with_options),
    ]
    if by_generation:
        encoded = [tokenizer(list(column))["input_ids"] for column in task.answers.texts.values()]
        longest = max(len(ids) for column in encoded for ids in column)
        steps.append(replace(_writing(view, tokenizer, task.prompts, longest), times=conditions))
    counts = 8 * conditions * len(task) * len(task.languages) * len(OUTCOMES)
    rows_at_once = max(1, TOKEN_BUDGET // (16 * len(task.languages)))  # of short prompts
    masks = (types + 4) * view.layout.neuron_count * min(rows_at_once, len(task))
    return price(view, tokenizer, steps, counts + masks, counts + REPORT_BYTES)


def _gathering(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, corpus: Corpus, needs: Collection[Needs], recording: Recording
) -> tuple[list[Step], int]:
    """The passes that `gather` makes, and the bytes that they keep."""
    statistics = tuple(name for name in STATISTICS if name in needs)
    counted = tuple(name for name in needs if name == "counts" or name in statistics)
    means = tuple(name for name in needs if name in TEXT_MEANS)
    gradients = tuple(name for name in needs if name == "gradients")
    cells = len(corpus.languages) * view.layout.neuron_count
    kept = _activity_bytes(view, corpus, replace(recording, statistics=statistics)) if counted else 0
    kept += 4 * cells * len(corpus) * len(means) + 8 * cells * len(gradients)

    def step(name: str, some: Collection[Needs]) -> Step:
        return Step(name, corpus, lambda part: gather(view, tokenizer, part, some, recording))

    passes = {"counting": counted, "means of texts": means, "gradients": gradients}
    return [step(name, some) for name, some in passes.items() if some], kept


def _scoring(view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Corpus | Task, times: int) -> Step:
    metric = ExactAnswer() if isinstance(data, Task) else NatsPerToken()
    name = f"scoring {data.name}{' with neurons off' if times > 1 else ''}"

    def run(part: Corpus | Task) -> object:
        return evaluate(view, tokenizer, part, metric)

    return Step(name, data, run, times, read=_with_answer if isinstance(data, Task) else prompts_or_text)


def _writing(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    new_tokens: int,
    recording: Recording | None = None,
) -> Step:
    """Tokens that are generated, and read again where there is a recording."""

    def run(part: Corpus) -> None:
        generation = generate(view, tokenizer, part, Decoding(max_new_tokens=new_tokens))
        if recording is not None:
            record_generated_sharing(view, generation, [recording])

    return Step(f"writing on {corpus.name}", corpus, run, written=new_tokens)


def _conditions(data: Corpus | Task, draws: int) -> int:
    """No neurons off, each language's, and as many random ones."""
    return 1 + len(data.languages) * (1 + draws)


def _with_options(task: Task) -> Iterable[Corpus]:
    return [_joined(task.prompts, part) for part in task.options or (task.answers,)]


def _with_answer(task: Task) -> Iterable[Corpus]:
    return [_joined(task.prompts, task.answers)]


def _joined(prompts: Corpus, answers: Corpus) -> Corpus:
    pairs = {language: zip(column, answers.texts[language]) for language, column in prompts.texts.items()}
    return replace(prompts, texts={language: tuple(map("".join, both)) for language, both in pairs.items()})


def _activity_bytes(view: ModelView, corpus: Corpus, recording: Recording) -> int:
    return _bytes(ActivityTally(view.layout, len(corpus.languages), recording, torch.device("meta")))


def _sharing_bytes(view: ModelView, corpus: Corpus, recording: Recording) -> int:
    return _bytes(SharingTally(view.layout, len(corpus.languages), recording, len(corpus), torch.device("meta")))


def _bytes(tally: ActivityTally | SharingTally) -> int:
    return sum(total.numel() * total.element_size() for total in tally.totals.values())
