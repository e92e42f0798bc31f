"""The evaluation loop: the whole model over a corpus or a task, into a metric; alone, or with neurons switched off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ConfigError
from neuroglot.interventions.switching import ablating
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.metrics import Evaluation, Metric, Predictions
from neuroglot.models.locating import text_config
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet, described_sets
from neuroglot.neurons.rules.rates import at_random_like
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch, by_length
from neuroglot.tokens.tokenizing import TokenizedCorpus, context_limit, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LOGIT_BUDGET = 2**25  # padded tokens × vocabulary a batch: 128 MiB of float32


def evaluate(view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Corpus | Task, metric: Metric) -> Evaluation:
    """Score a model on a corpus or a task, with an interval over parallel rows for each language.

    An intervention that is active around the call is what is scored. Rows with a text longer than the model's context
    are left out in all languages and counted in the signature. Raises `ConfigError` for a metric that reads something
    else.
    """
    tokenized, batches = _prepared(view, tokenizer, data, metric)
    counts = _counts(view, batches, metric, tokenized)
    signature = _made_with(view, tokenizer, data, tokenized, metric)
    return Evaluation(data.name, tokenized.languages, metric, counts, signature)


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
) -> AblationMatrix:
    """Switch off each language's neurons in turn and score every language, beside `draws` random sets of equal size.

    Random sets have as many neurons in every layer as the set they stand beside, and are scored on `all` languages, or
    on the set's `own` only, which is all that the headline needs. The rows should be others than those the sets were
    selected on. Raises `ConfigError` unless `sets` has exactly the languages of `data`, in any order.
    """
    tokenized, batches = _prepared(view, tokenizer, data, metric)
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
    counts = []
    for neurons, only in track(conditions, f"ablating on {data.name}", len(conditions)):
        with ablating(view, neurons):
            some = batches if only is None else _of_language(tokenized, only, view)
            counts.append(_counts(view, some, metric, tokenized))
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
    )


def require_decoder(view: ModelView) -> None:
    """Raise `ConfigError` for a model without next-token predictions."""
    if view.family.kind != "decoder":
        raise ConfigError(
            f"The model is of the kind {view.family.kind!r} ({view.family.model_type}).",
            "Losses and answers are read from the next-token predictions of a decoder.",
        )


def _prepared(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Corpus | Task, metric: Metric
) -> tuple[TokenizedCorpus, list[Batch]]:
    if not isinstance(data, metric.reads):
        raise ConfigError(
            f"The metric {type(metric).__name__} was given a {type(data).__name__}.",
            f"It reads a {metric.reads.__name__}.",
        )
    require_decoder(view)
    tokenized = tokenize(tokenizer, data, context_limit(tokenizer, text_config(view.model)))
    return tokenized, by_length(tokenized, _token_budget(view))


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
            batch_counts = metric.counts(_predictions(view, batch.to(view.model.device))).cpu()
            if counts is None:
                shape = len(tokenized.ids), len(tokenized.languages), batch_counts.shape[1]
                counts = torch.full(shape, torch.nan, dtype=torch.float64)
            rows = torch.tensor([text.row for text in batch.texts])
            counts[rows, torch.tensor([text.language for text in batch.texts])] = batch_counts
    if counts is None:
        raise ConfigError("There is nothing to score.", "Expected at least one text.")
    return counts


def _predictions(view: ModelView, batch: Batch) -> Predictions:
    """One forward; only logits of tokens that are asked for are kept."""
    logits = view.model(input_ids=batch.token_ids, attention_mask=batch.real.long(), use_cache=False).logits
    scored = batch.scored[:, 1:]
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
    made = made_with(view, tokenizer, data, rows=len(tokenized.ids), dropped=len(tokenized.dropped))
    return made | Signature.of(metric=metric.name, unit=metric.unit, interval="95 % bootstrap over rows")
