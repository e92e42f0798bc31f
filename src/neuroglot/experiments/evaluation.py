"""The evaluation loop: the whole model over a corpus or a task, into a metric; alone, or with neurons switched off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.interventions.switching import switch_off
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.metrics import Evaluation, Metric, Predictions
from neuroglot.models.finite import not_finite
from neuroglot.models.locating import text_config
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet, described_sets
from neuroglot.neurons.rules.rates import at_random_like
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch, by_length
from neuroglot.tokens.examples import LONG, Unfit
from neuroglot.tokens.questions import read_questions
from neuroglot.tokens.tokenizing import TokenizedCorpus, context_limit, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LOGIT_BUDGET = 2**25  # padded tokens × vocabulary a batch: 128 MiB of float32


def evaluate(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    data: Corpus | Task,
    metric: Metric,
    *,
    unfit: Unfit = "drop",
    kept: Kept = NOTHING_KEPT,
) -> Evaluation:
    """Score a model on a corpus or a task, with an interval over parallel rows for each language.

    An intervention that is active around the call is what is scored. Rows with a text longer than the model's context,
    and those of a task that are unfit otherwise (`tokens.examples`), are dropped in all languages and counted by
    reason, or refused. Raises `ConfigError` for a metric that reads something else, `CorpusError` for rows to refuse or
    if none is left.
    """
    tokenized, dropped, batches = _prepared(view, tokenizer, data, metric, unfit)
    counts = kept.once("counts", lambda: {"counts": _counts(view, batches, metric, tokenized)})["counts"]
    signature = _made_with(view, tokenizer, data, tokenized, metric)
    return Evaluation(data.name, tokenized.languages, metric, counts, signature, dropped)


def ablation_matrix(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    data: Corpus | Task,
    sets: Mapping[str, NeuronSet],
    metric: Metric,
    *,
    draws: int = 5,
    seed: int = 0,
    random_on: Literal["all", "own"] = "all",
    unfit: Unfit = "drop",
    kept: Kept = NOTHING_KEPT,
) -> AblationMatrix:
    """Switch off each language's neurons in turn and score every language, beside `draws` random sets of equal size.

    Random sets have as many neurons in every layer as the set they stand beside, and are scored on `all` languages, or
    on the set's `own` only, which is all that the headline needs. What each condition gave is kept in `kept`. The rows
    should be others than those the sets were selected on; `unfit` ones as in `evaluate`. Raises `ConfigError` unless
    `sets` has exactly the languages of `data`, in any order.
    """
    tokenized, dropped, batches = _prepared(view, tokenizer, data, metric, unfit)
    _require_languages(tokenized.languages, sets, draws)
    own = [sets[language] for language in tokenized.languages]
    random = [  # a seed of its own for every set and draw: the same one would give nested sets
        (at_random_like(neurons, seed + draw * len(own) + place), place)
        for draw in range(draws)
        for place, neurons in enumerate(own)
    ]
    conditions: list[tuple[NeuronSet, int | None]] = [(NeuronSet.empty(view.layout), None)]
    conditions += [(neurons, None) for neurons in own]
    conditions += [(neurons, place if random_on == "own" else None) for neurons, place in random]

    def scored(neurons: NeuronSet, only: int | None) -> dict[str, Tensor]:
        with switch_off(view, neurons):
            some = batches if only is None else _of_language(tokenized, only, view)
            return {"counts": _counts(view, some, metric, tokenized)}

    counts = [
        kept.once(f"condition-{number}", partial(scored, *condition))["counts"]
        for number, condition in track(enumerate(conditions), f"switching off on {data.name}", len(conditions))
    ]
    languages = len(own)
    shape = (draws, languages, *counts[0].shape)
    options = Signature.of(value=0, random_draws=draws, random_on=random_on, seed=seed)
    signature = _made_with(view, tokenizer, data, tokenized, metric) | described_sets(sets) | options
    return AblationMatrix(
        data.name,
        tokenized.languages,
        tuple(map(len, own)),
        metric,
        counts[0],
        torch.stack(counts[1 : languages + 1]),
        torch.stack(counts[languages + 1 :]).reshape(shape),
        signature,
        dropped,
    )


def _prepared(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Corpus | Task, metric: Metric, unfit: Unfit
) -> tuple[TokenizedCorpus, dict[str, int], list[Batch]]:
    """What is scored, how many rows were dropped by reason, and the batches."""
    if not isinstance(data, metric.reads):
        raise ConfigError(
            f"The metric {type(metric).__name__} was given a {type(data).__name__}.",
            f"It reads a {metric.reads.__name__}.",
        )
    view.require("next-token predictions")
    tokenized, dropped = _tokenized(tokenizer, data, context_limit(tokenizer, text_config(view.model)), unfit)
    return tokenized, dropped, by_length(tokenized, _token_budget(view))


def _tokenized(
    tokenizer: PreTrainedTokenizerBase, data: Corpus | Task, limit: int | None, unfit: Unfit
) -> tuple[TokenizedCorpus, dict[str, int]]:
    if isinstance(data, Task):
        questions = read_questions(tokenizer, data, limit, unfit)
        return questions.answered(), dict(questions.dropped)
    tokenized = tokenize(tokenizer, data, limit)
    dropped = {LONG: len(tokenized.dropped)} if tokenized.dropped else {}
    if dropped and unfit == "refuse":
        raise CorpusError(
            f"Corpus {data.name!r} has {len(tokenized.dropped)} rows with a text of more than {limit} tokens, "
            f"{tokenized.dropped[0]!r} the first.",
            "Expected texts that fit into the model's context.",
            "Drop such rows (unfit='drop').",
        )
    return tokenized, dropped


def _of_language(tokenized: TokenizedCorpus, place: int, view: ModelView) -> list[Batch]:
    texts = tuple(text for text in tokenized.texts if text.language == place)
    return by_length(replace(tokenized, texts=texts), _token_budget(view))


def _token_budget(view: ModelView) -> int:
    return max(1, min(TOKEN_BUDGET, LOGIT_BUDGET // int(text_config(view.model).vocab_size)))


def _counts(view: ModelView, batches: list[Batch], metric: Metric, tokenized: TokenizedCorpus) -> Tensor:
    """The metric's counts by row and language: `[R, G, C]`, float64; NaN where no batch has the text."""
    counts: Tensor | None = None
    with view.evaluating():
        for batch in track(batches, "scoring", len(batches)):
            batch_counts = metric.counts(_predictions(view, batch.to(view.model.device), tokenized.languages)).cpu()
            if counts is None:
                shape = len(tokenized.ids), len(tokenized.languages), batch_counts.shape[1]
                counts = torch.full(shape, torch.nan, dtype=torch.float64)
            rows = torch.tensor([text.row for text in batch.texts])
            counts[rows, torch.tensor([text.language for text in batch.texts])] = batch_counts
    if counts is None:
        raise ConfigError("There is nothing to score.", "Expected at least one text.")
    return counts


def _predictions(view: ModelView, batch: Batch, languages: tuple[str, ...]) -> Predictions:
    """One forward; only logits of tokens that are asked for are kept. Refuses those that are no numbers."""
    logits = view.model(input_ids=batch.token_ids, attention_mask=batch.real.long(), use_cache=False).logits
    scored = batch.scored[:, 1:]
    best = logits[:, :-1].amax(-1).masked_fill(~scored, 0.0)  # NaN where one is; −∞ elsewhere means "never"
    if not bool(best.isfinite().all()):
        broken = dict(enumerate((~best.isfinite()).sum(1).tolist()))
        tokens = {index: count for index, count in broken.items() if count}
        raise not_finite(view.model, "Scores of next tokens are", dict(enumerate(batch.texts)), tokens, languages)
    text_bytes = torch.tensor([text.scored_bytes for text in batch.texts], device=logits.device)
    return Predictions(logits[:, :-1][scored].float(), batch.token_ids[:, 1:][scored], scored, text_bytes)


def _require_languages(languages: tuple[str, ...], sets: Mapping[str, NeuronSet], draws: int) -> None:
    if set(languages) != set(sets) or draws < 1:
        raise ConfigError(
            f"Neuron sets of {', '.join(sets)} and {draws} random draws were given.",
            f"Expected one set for each of {', '.join(languages)}, and one draw or more.",
        )


def _made_with(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    data: Corpus | Task,
    tokenized: TokenizedCorpus,
    metric: Metric,
) -> Signature:
    made = made_with(view, tokenizer, data, rows=len(tokenized.ids), dropped=len(data) - len(tokenized.ids))
    return made | Signature.of(metric=metric.name, unit=metric.unit, interval="95 % bootstrap over rows")
