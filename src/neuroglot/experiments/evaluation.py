"""The evaluation loop: the whole model over text, translations or a task, into a metric; alone, or with neurons off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Task
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.seen import SameRows, rows_selected_on, told_rows
from neuroglot.errors import ConfigError
from neuroglot.interventions.switching import switch_off
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.metrics import Evaluation, Metric, Predictions
from neuroglot.models.finite import not_finite
from neuroglot.models.locating import text_config
from neuroglot.models.open_interventions import chosen_in
from neuroglot.models.provenance import made_with, model_signature
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet, described_sets
from neuroglot.neurons.rules.rates import at_random_like
from neuroglot.progress import track
from neuroglot.signature import Signature, seed_of
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.asked import AskedTokens, Readable, answered, asked_tokens
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch
from neuroglot.tokens.examples import Unfit
from neuroglot.tokens.masking import READINGS
from neuroglot.tokens.reading import read_as

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LOGIT_BUDGET = 2**25  # padded tokens × vocabulary a batch: 128 MiB of float32


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
    counts = kept.once("counts", lambda: {"counts": _counts(view, asked, metric)})["counts"]
    signature = _made_with(view, tokenizer, data, asked, metric) | told_rows(seen)
    groups, repeated = _independent(data, asked)
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
    random_on: Literal["all", "own"] = "all",
    rule: str = "",
    same_rows: SameRows = "refuse",
    unfit: Unfit = "drop",
    kept: Kept = NOTHING_KEPT,
) -> AblationMatrix:
    """Switch off each language's neurons in turn and score every language, beside `draws` random sets of equal size.

    Random sets have as many neurons in every layer, or expert, as the set they stand beside, and are scored on `all`
    languages, or on the set's `own` only, which is all that the headline needs. They differ by seed, draw, language and
    the `rule` that they are a control of. What each condition gave is kept in `kept`; `unfit` rows are as in
    `evaluate`. Rows that the sets were selected on are refused, because neurons that were chosen for what they do there
    look better than they are; with `same_rows="allow"` the result says how many there are. Rows that share a text count
    as one. Raises `ConfigError` unless `sets` has exactly the languages of `data`, in any order, and `CorpusError` for
    rows to refuse.
    """
    seen = rows_selected_on(data, [*sets.values(), *chosen_in(view.model)], same_rows)
    asked = _asked(view, tokenizer, data, metric, unfit)
    languages = asked.tokens.languages
    _require_languages(languages, sets, draws)
    own = [sets[language] for language in languages]
    random = [
        (at_random_like(neurons, control_seed(seed, draw, language, rule)), index)
        for draw in range(draws)
        for index, (language, neurons) in enumerate(zip(languages, own, strict=True))
    ]
    conditions: list[tuple[NeuronSet, int | None]] = [(NeuronSet.empty(view.layout), None)]
    conditions += [(neurons, None) for neurons in own]
    conditions += [(neurons, place if random_on == "own" else None) for neurons, place in random]

    def scored(neurons: NeuronSet, only: int | None) -> dict[str, Tensor]:
        with switch_off(view, neurons):
            return {"counts": _counts(view, asked, metric, only)}

    groups, repeated = _independent(data, asked)
    counts = [
        kept.once(f"condition-{number}", partial(scored, *condition))["counts"]
        for number, condition in track(enumerate(conditions), f"switching off on {data.name}", len(conditions))
    ]
    counts = [_together(part, groups) for part in counts]
    shape = (draws, len(own), *counts[0].shape)
    options = Signature.of(value=0, random_draws=draws, random_on=random_on, seed=seed, same_rows=seen or None)
    made = _made_with(view, tokenizer, data, asked, metric) | _selected_elsewhere(view, sets)
    signature = made | described_sets(sets) | options
    return AblationMatrix(
        data.name,
        languages,
        tuple(map(len, own)),
        metric,
        counts[0],
        torch.stack(counts[1 : len(own) + 1]),
        torch.stack(counts[len(own) + 1 :]).reshape(shape),
        signature,
        asked.dropped,
        repeated,
        seen,
    )


def _selected_elsewhere(view: ModelView, sets: Mapping[str, NeuronSet]) -> Signature:
    """Which other models the sets were selected in, as far as they know; nothing where it was this model."""
    here = model_signature(view)["weights"]
    others = [neurons.signature for neurons in sets.values() if neurons.signature.get("weights", here) != here]
    names = dict.fromkeys(f"{other.get('model')} (weights {other['weights']})" for other in others)
    return Signature.of(selected_in=" + ".join(names)) if names else Signature()


def _independent(data: Readable, asked: AskedTokens) -> tuple[list[int], int]:
    """For each row that is scored the number of its group of rows with a text in common, and how many rows repeat."""
    group_of = dict(zip(data.ids, data.distinct, strict=True))
    numbers: dict[int, int] = {}
    groups = [numbers.setdefault(group_of[row_id], len(numbers)) for row_id in asked.tokens.ids]
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


def _token_budget(view: ModelView) -> int:
    return max(1, min(TOKEN_BUDGET, LOGIT_BUDGET // int(text_config(view.model).vocab_size)))


def _counts(view: ModelView, asked: AskedTokens, metric: Metric, only: int | None = None) -> Tensor:
    """The metric's counts by row and language: `[R, G, C]`, float64; NaN for languages other than the `only` one."""
    counts: Tensor | None = None
    languages, batches = asked.tokens.languages, asked.batches(_token_budget(view), only)
    others = [] if only is None else [index for index in range(len(languages)) if index != only]
    with view.evaluating():
        for batch in track(batches, "scoring", len(batches)):
            batch_counts = metric.counts(_predictions(view, batch.to(view.model.device), languages)).cpu()
            if counts is None:
                shape = len(asked.tokens.ids), len(languages), batch_counts.shape[1]
                counts = torch.zeros(shape, dtype=torch.float64)
                counts[:, others] = torch.nan
            rows = torch.tensor([text.row for text in batch.texts])
            texts = rows, torch.tensor([text.language for text in batch.texts])
            counts.index_put_(texts, batch_counts, accumulate=True)  # a masked text is read several times
    if counts is None:
        raise ConfigError("There is nothing to score.", "Expected at least one text.")
    return counts


def _predictions(view: ModelView, batch: Batch, languages: tuple[str, ...]) -> Predictions:
    """One forward; only logits of tokens that are asked for are kept. Refuses those that are no numbers."""
    logits, targets, scored = answered(view, batch)
    best = logits.amax(-1).masked_fill(~scored, 0.0)  # NaN where one is; −∞ elsewhere means "never"
    if not bool(best.isfinite().all()):
        broken = dict(enumerate((~best.isfinite()).sum(1).tolist()))
        tokens = {index: count for index, count in broken.items() if count}
        raise not_finite(view.model, "Scores of tokens are", dict(enumerate(batch.texts)), tokens, languages)
    text_bytes = torch.tensor([text.scored_bytes for text in batch.texts], device=logits.device)
    return Predictions(logits[scored].float(), targets[scored], scored, text_bytes)


def _require_languages(languages: tuple[str, ...], sets: Mapping[str, NeuronSet], draws: int) -> None:
    if set(languages) != set(sets) or draws < 1:
        raise ConfigError(
            f"Neuron sets of {', '.join(sets)} and {draws} random draws were given.",
            f"Expected one set for each of {', '.join(languages)}, and one draw or more.",
        )


def _made_with(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Readable, asked: AskedTokens, metric: Metric
) -> Signature:
    tokens = asked.tokens
    made = made_with(view, tokenizer, data, rows=len(tokens.ids), dropped=len(data) - len(tokens.ids))
    made |= asked.unknown
    if isinstance(data, Directed):
        made |= read_as(data)
    elif asked.pad_id is not None:
        made |= Signature.of(read="masked text", masked=f"every token once, in {READINGS} readings")
    return made | Signature.of(metric=metric.name, unit=metric.unit, interval="95 % over rows")
