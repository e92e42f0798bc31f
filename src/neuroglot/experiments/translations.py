"""Scores of translations by direction, beside those of a baseline, with intervals by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from transformers import GenerationConfig

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.interventions.gating import Semantics, gating
from neuroglot.metrics.texts import TextOptions, Texts, TextScore, score_texts
from neuroglot.models.view import ModelView
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.progress import track
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import TOKEN_BUDGET
from neuroglot.tokens.pairs import Pair, Pairs, pad_pairs, translation_inputs
from neuroglot.tokens.tagging import end_token

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def translate(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Pairs,
    masks: DirectionMasks | None = None,
    *,
    semantics: Semantics = "activation",
    max_new_tokens: int = 256,
    beams: int = 5,
    token_budget: int = TOKEN_BUDGET,
    kept: Kept = NOTHING_KEPT,
) -> dict[Direction, tuple[str, ...]]:
    """What the model makes of every source text, by direction, in the order of `pairs.ids`; targets are not shown.

    Each row runs under its direction's mask, or all without any; length penalty 1, no sampling. A batch has at most
    `token_budget` positions, read and written, beams and all; one that is in `kept` is not translated again. Raises
    `ConfigError` if a direction has no mask, or for amounts below 1.
    """
    if min(max_new_tokens, beams, token_budget) < 1:
        raise ConfigError(
            f"Got {max_new_tokens} new tokens, {beams} beams, a budget of {token_budget}.", "Expected 1 up."
        )
    places = [] if masks is None else [masks.place(direction) for direction in pairs.directions]
    config = {"max_new_tokens": max_new_tokens, "num_beams": beams, "do_sample": False, "pad_token_id": pairs.pad_id}
    texts = [[""] * len(pairs.ids) for _ in pairs.directions]
    with ExitStack() as active:
        active.enter_context(view.evaluating())
        gate = None if masks is None else active.enter_context(gating(view, masks, semantics=semantics, beams=beams))
        batches = list(_by_length(pairs.pairs, token_budget, beams, max_new_tokens))
        for number, batch in enumerate(track(batches, "translating", len(batches))):
            if gate is not None:
                gate.set(torch.tensor([places[pair.language] for pair in batch]))
            answer = partial(_answers, view, tokenizer, pairs, batch, config)
            answers = kept.once(f"batch-{number:06d}", answer)["tokens"]
            for pair, text in zip(batch, tokenizer.batch_decode(answers, skip_special_tokens=True), strict=True):
                texts[pair.language][pair.row] = text.strip()
    return {direction: tuple(column) for direction, column in zip(pairs.directions, texts, strict=True)}


def _by_length(pairs: Sequence[Pair], token_budget: int, beams: int, new: int) -> Iterator[list[Pair]]:
    """Pairs of all directions, longest first."""
    waiting = sorted(pairs, key=lambda pair: (-len(pair.token_ids), pair.language, pair.row))
    while waiting:
        size = max(1, token_budget // (beams * (len(waiting[0].token_ids) + new)))
        yield waiting[:size]
        waiting = waiting[size:]


def _answers(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, pairs: Pairs, batch: Sequence[Pair], options: dict[str, Any]
) -> dict[str, Tensor]:
    """The generated `tokens [B, new]` behind what was given."""
    model, config = cast(Any, view.model), GenerationConfig(**options, eos_token_id=end_token(tokenizer))
    if view.family.predicts_next:
        given = _prompts(batch, pairs.pad_id)
    else:
        shown = translation_inputs(view, pad_pairs(batch, pairs.pad_id))
        first = shown["decoder_input_ids"][:, : pairs.given]
        config.decoder_start_token_id = first[:, 0].tolist()  # else another start token is put before
        given = {"input_ids": shown["input_ids"], "attention_mask": shown["attention_mask"], "decoder_input_ids": first}
    begun = given.get("decoder_input_ids", given["input_ids"]).shape[1]
    on_device = {name: tensor.to(view.model.device) for name, tensor in given.items()}
    return {"tokens": model.generate(**on_device, generation_config=config)[:, begun:]}


def _prompts(batch: Sequence[Pair], pad_id: int) -> dict[str, Tensor]:
    """What stands before the translations, padded on the left."""
    prompts = [pair.token_ids[: pair.scored.index(True)] for pair in batch]
    width = max(map(len, prompts))
    token_ids = torch.tensor([[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    real = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return {"input_ids": token_ids, "attention_mask": real}


Translations = Mapping[Direction, Sequence[str]]


def score_translations(
    translations: Translations,
    corpus: Corpus,
    pairs: Pairs,
    metrics: Sequence[str] = ("bleu", "chrf++"),
    baseline: Translations | None = None,
) -> dict[Direction, list[TextScore]]:
    """Each direction's scores by metrics of `neuroglot.metrics.texts`, against the corpus's own text in the target.

    `translations[direction][r]` is of the row `pairs.ids[r]`, as `translate` gives them; so is a `baseline`, such as
    the same model without masks, to which the difference is tested. Raises as `score_texts` does, and `CorpusError`
    where the corpus lacks rows or a baseline lacks a direction.
    """
    places = {row_id: row for row, row_id in enumerate(corpus.ids)}
    lacking = [row_id for row_id in pairs.ids if row_id not in places]
    without = [str(direction) for direction in translations if baseline is not None and direction not in baseline]
    if lacking or without:
        raise CorpusError(
            f"There is nothing to compare with for {(lacking + without)[0]!r}.",
            "Expected every row in the corpus, and every direction in the baseline.",
        )
    rows = corpus.take(places[row_id] for row_id in pairs.ids)
    scores = {}
    for direction, column in translations.items():
        texts = Texts(tuple(column), (rows.texts[direction.target],), rows.texts[direction.source])
        options = TextOptions(language=direction.target)
        scores[direction] = score_texts(texts, metrics, options, None if baseline is None else baseline[direction])
    return scores
