"""The evaluation loop: the whole model over text, translations or a task, into a metric; alone, or with neurons off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Task
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.seen import SameRows, rows_selected_on, told_rows
from neuroglot.errors import ConfigError
from neuroglot.experiments.scoring import Condition, counts_of
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.metrics import Evaluation, Metric, Valued
from neuroglot.models.open_interventions import chosen_in
from neuroglot.models.provenance import made_with, model_signature
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet, described_sets
from neuroglot.neurons.rules.rates import at_random_like
from neuroglot.signature import Signature, seed_of
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.asked import AskedTokens, Readable, asked_tokens
from neuroglot.tokens.examples import Unfit
from neuroglot.tokens.masking import READINGS
from neuroglot.tokens.reading import read_as

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RandomOn = Literal["all", "own"]


def evaluate(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    data: Readable,
    metric: Metric,
    *,
    same_rows: SameRows = "refuse",
    unfit: Unfit = "drop",
    kept: Kept = NOTHING_KEPT,
) -> Evaluation:
    """Score a model on a corpus or a task, with an interval over parallel rows for each language.

    The loss of a decoder is that of all tokens but the first and special ones, each given those before it. Of a
    `Directed` it is that of the translation, given its source: of the tokens that the decoder has to answer, the end
    token among them, but no token that names a language, because the decoder is given that. An encoder is asked for
    every token once, with a seventh of the text masked (`tokens.masking`).

    An intervention that is active around the call is what is scored; rows on which its neurons were selected are
    refused, as in `ablation_matrix`. Rows with a text longer than the model's context, and those of a task that are
    unfit otherwise (`tokens.examples`), are dropped in all languages and counted by reason, or refused. Raises
    `ConfigError` for a metric that reads something else, `CorpusError` for rows to refuse or if none is left.
    """
    seen = rows_selected_on(data, chosen_in(view.model), same_rows)
    asked = _asked(view, tokenizer, data, metric, unfit)
    (counts,) = counts_of(view, asked, metric, [Condition(NeuronSet.empty(view.layout))], kept=kept)
    signature = _made_with(view, tokenizer, data, asked, metric) | told_rows(seen)
    groups, repeated = independent_rows(data, asked.tokens.ids)
    return Evaluation(
        data.name, asked.tokens.languages, metric, _together(counts, groups), signature, asked.dropped, repeated
    )


def ablation_matrix(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    data: Readable,
    sets: Mapping[str, NeuronSet],
    metric: Metric,
    *,
    draws: int = 5,
    seed: int = 0,
    random_on: RandomOn = "all",
    rule: str = "",
    same_rows: SameRows = "refuse",
    unfit: Unfit = "drop",
    kept: Kept = NOTHING_KEPT,
) -> AblationMatrix:
    """Switch off each language's neurons in turn and score every language, beside `draws` random sets of equal size.

    Random sets have as many neurons in every layer, or expert, as the set they stand beside, and are scored on `all`
    languages, or on the set's `own` only, which is all that the headline needs. They differ by seed, draw, language and
    the `rule` that they are a control of. What each batch gave is kept in `kept`; `unfit` rows are as in
    `evaluate`. Rows that the sets were selected on are refused, because neurons that were chosen for what they do there
    look better than they are; with `same_rows="allow"` the result says how many there are. Rows that share a text count
    as one. Raises `ConfigError` unless `sets` has exactly the languages of `data`, in any order, and `CorpusError` for
    rows to refuse.
    """
    seen = rows_selected_on(data, [*sets.values(), *chosen_in(view.model)], same_rows)
    asked = _asked(view, tokenizer, data, metric, unfit)
    languages = asked.tokens.languages
    conditions = ablation_conditions(view, languages, sets, draws, seed, rule, random_on)
    groups, repeated = independent_rows(data, asked.tokens.ids)
    counts = counts_of(view, asked, metric, conditions, f"switching off on {data.name}", kept)
    made = _made_with(view, tokenizer, data, asked, metric) | selected_elsewhere(view, sets)
    return matrix_of(
        data.name, languages, sets, metric, counts, groups, signature=made, draws=draws, seed=seed,
        random_on=random_on, dropped=asked.dropped, repeated=repeated, seen=seen,
    )  # fmt: skip


def ablation_conditions(
    view: ModelView, languages: Sequence[str], sets: Mapping[str, NeuronSet], draws: int, seed: int, rule: str = "",
    random_on: RandomOn = "all",
) -> list[Condition]:  # fmt: skip
    """No neurons off, each language's, and `draws` random sets as large; raises for sets that do not fit."""
    if set(languages) != set(sets) or draws < 1:
        raise ConfigError(
            f"Neuron sets of {', '.join(sets)} and {draws} random draws were given.",
            f"Expected one set for each of {', '.join(languages)}, and one draw or more.",
        )
    own = [sets[language] for language in languages]
    for neurons in own:
        view.layout.require_same(neurons.layout, "The neuron set")
    random = [
        Condition(
            at_random_like(neurons, control_seed(seed, draw, language, rule)), index if random_on == "own" else None
        )
        for draw in range(draws)
        for index, (language, neurons) in enumerate(zip(languages, own, strict=True))
    ]
    return [Condition(neurons) for neurons in (NeuronSet.empty(view.layout), *own)] + random


def matrix_of(
    name: str, languages: tuple[str, ...], sets: Mapping[str, NeuronSet], metric: Valued, counts: Tensor,
    groups: Sequence[int], *, signature: Signature, draws: int, seed: int, random_on: RandomOn,
    dropped: Mapping[str, int], repeated: int, seen: int,
) -> AblationMatrix:  # fmt: skip
    """The matrix of counts `[C, R, G, K]` under `ablation_conditions`, with rows of one group summed."""
    summed = [_together(part, groups) for part in counts]
    width = len(languages)
    options = Signature.of(value=0, random_draws=draws, random_on=random_on, seed=seed, same_rows=seen or None)
    return AblationMatrix(
        name,
        languages,
        tuple(len(sets[language]) for language in languages),
        metric,
        summed[0],
        torch.stack(summed[1 : width + 1]),
        torch.stack(summed[width + 1 :]).reshape(draws, width, *summed[0].shape),
        signature | described_sets(sets) | options,
        dropped,
        repeated,
        seen,
    )


def selected_elsewhere(view: ModelView, sets: Mapping[str, NeuronSet]) -> Signature:
    """Which other models the sets were selected in, as far as they know; nothing where it was this model."""
    here = model_signature(view)["weights"]
    others = [neurons.signature for neurons in sets.values() if neurons.signature.get("weights", here) != here]
    names = dict.fromkeys(f"{other.get('model')} (weights {other['weights']})" for other in others)
    return Signature.of(selected_in=" + ".join(names)) if names else Signature()


def independent_rows(data: Readable, ids: Sequence[str]) -> tuple[list[int], int]:
    """For each of these rows the number of its group of rows with a text in common, and how many rows repeat.

    Rows that were dropped join no others.
    """
    if len(ids) < len(data):
        row_of = {row_id: row for row, row_id in enumerate(data.ids)}
        data = data.take([row_of[row_id] for row_id in ids])
    group_of = dict(zip(data.ids, data.distinct, strict=True))
    numbers: dict[int, int] = {}
    groups = [numbers.setdefault(group_of[row_id], len(numbers)) for row_id in ids]
    return groups, len(groups) - len(numbers)


def _together(counts: Tensor, groups: Sequence[int]) -> Tensor:
    """Counts of rows that share a text, summed: `[R, G, C]` → `[rows that are independent, G, C]`."""
    if len(set(groups)) == len(groups):
        return counts
    summed = torch.zeros(max(groups) + 1, *counts.shape[1:], dtype=counts.dtype)
    return summed.index_add(0, torch.tensor(groups), counts)


def control_seed(seed: int, draw: int, language: str, rule: str = "") -> int:
    """The seed of one random set: no two seeds, draws, languages or rules share it, so that their controls are
    independent.
    """
    return seed_of("control", seed, draw, language, rule)


def _asked(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Readable, metric: Metric, unfit: Unfit
) -> AskedTokens:
    """What is scored; raises `ConfigError` for a metric that reads something else."""
    if isinstance(data, Task) != (metric.reads is Task):
        raise ConfigError(
            f"The metric {type(metric).__name__} was given a {type(data).__name__}.",
            f"It reads a {metric.reads.__name__}.",
        )
    return asked_tokens(view, tokenizer, data, unfit)


def _made_with(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Readable, asked: AskedTokens, metric: Metric
) -> Signature:
    tokens = asked.tokens
    made = made_with(view, tokenizer, data, rows=len(tokens.ids), dropped=len(data) - len(tokens.ids))
    made |= asked.unknown
    if isinstance(data, Directed):
        made |= read_as(data)
    elif isinstance(data, Task):
        made |= Signature.of(read="prompt by the encoder" if asked.pad_id is not None else None)
    elif asked.pad_id is not None:
        made |= Signature.of(read="masked text", masked=f"every token once, in {READINGS} readings")
    return made | Signature.of(metric=metric.name, unit=metric.unit, interval="95 % over rows")
