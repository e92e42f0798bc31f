"""Translation pairs of a parallel corpus as tokens, for several directions, and padded batches of one or many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directions import Direction, as_direction
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.models.inputs import TokenBatch
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch, pad
from neuroglot.tokens.tagging import Tags, decoder_tokens_given, end_token, prompt, tagging_of
from neuroglot.tokens.tokenizing import Text, context_limit, nothing_fits, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # a label that no loss counts


@dataclass(frozen=True)
class Pair(Text):
    """A text and its translation; `language` is the direction's place.

    Beside an encoder, `token_ids` is what the encoder reads and `target_ids` what the decoder is to answer. A decoder
    alone reads both as one text in `token_ids`, whose translation is `scored`, and `target_ids` is empty.
    """

    target_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The rows that fit, in every direction: their `ids`, which a pair's `row` counts; `dropped` are the others'.

    A decoder beside an encoder begins with the first `given` tokens of its input, a decoder alone with the prompt.
    """

    directions: tuple[Direction, ...]
    pairs: tuple[Pair, ...]
    ids: tuple[str, ...]
    dropped: tuple[str, ...]
    pad_id: int
    given: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class PairBatch(Batch):
    """Pairs padded on the right with `pad_id`: what is read `[B, T]`, and what is answered `targets [B, U]`."""

    targets: Tensor
    target_real: Tensor
    pad_id: int

    def halves(self, together: int) -> tuple[PairBatch, PairBatch] | None:
        """Two batches with the same pairs; None where there is only one."""
        middle = len(self.texts) // 2
        return (self._of(self.texts[:middle]), self._of(self.texts[middle:])) if middle else None

    def _of(self, texts: Sequence[Text]) -> PairBatch:
        return pad_pairs(texts, self.pad_id)  # type: ignore[arg-type]  # its texts are pairs


def encode_pairs(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    directions: Sequence[Direction | str],
    tags: Tags | None = None,
) -> Pairs:
    """Every row of the corpus in every direction, tokenised and tagged as the model expects it.

    `tags` names the tokenizer's token of a language where its code does not tell. Rows with a text longer than the
    model's context are left out in all directions. Raises `ConfigError` for directions named twice or that cannot be
    written, and languages without a token; `CorpusError` where a text has no tokens or nothing fits;
    `UnsupportedModelError` for models and tokenizers whose conventions are not known.
    """
    chosen = _checked(directions, corpus)
    limit = context_limit(tokenizer, text_config(view.model))
    if view.family.predicts_next:
        given, (pairs, dropped) = 0, _as_one_text(tokenizer, corpus, chosen, limit)
    else:
        pairs, dropped = _as_two_texts(view, tokenizer, corpus, chosen, limit, tags or {})
        given = decoder_tokens_given(tokenizer, view.family.model_type)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    kept = tuple(row_id for row_id in corpus.ids if row_id not in set(dropped))
    return Pairs(chosen, tuple(pairs), kept, dropped, pad_id, given)


def _checked(directions: Sequence[Direction | str], corpus: Corpus) -> tuple[Direction, ...]:
    chosen = tuple(as_direction(direction) for direction in directions)
    if not chosen or len(set(chosen)) != len(chosen):
        raise ConfigError(f"Got the directions {', '.join(map(str, chosen))}.", "Expected one or more, each once.")
    for direction in chosen:
        corpus.select([direction.source, direction.target])  # refuses a language that it lacks
        as_direction(str(direction))  # refuses names that cannot be read back
    return chosen


def _as_two_texts(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    directions: Sequence[Direction],
    limit: int | None,
    tags: Tags,
) -> tuple[list[Pair], tuple[str, ...]]:
    view.require("generated text")
    encode = tagging_of(view.family.model_type, tokenizer, tags)
    encoded = []
    for direction in directions:
        texts = corpus.texts[direction.source], corpus.texts[direction.target]
        encoded.append(list(zip(*encode(direction, *texts), strict=True)))
    long = {
        row
        for column in encoded
        for row, pair in enumerate(column)
        if limit is not None and max(map(len, pair)) > limit
    }
    if len(long) == len(corpus):
        raise nothing_fits(corpus.name, limit)
    kept = [row for row in range(len(corpus)) if row not in long]
    pairs = [
        Pair(number, place, tuple(read), _none(read), _none(read), 0, tuple(answer))
        for place, column in enumerate(encoded)
        for number, (read, answer) in enumerate(column[row] for row in kept)
    ]
    return pairs, tuple(corpus.ids[row] for row in sorted(long))


def _as_one_text(
    tokenizer: PreTrainedTokenizerBase, corpus: Corpus, directions: Sequence[Direction], limit: int | None
) -> tuple[list[Pair], tuple[str, ...]]:
    read, answers = {}, {}
    for direction in directions:
        read[str(direction)] = tuple(prompt(direction, text) for text in corpus.texts[direction.source])
        answers[str(direction)] = tuple(f" {text}" for text in corpus.texts[direction.target])
    task = Task(corpus.name, Corpus(corpus.name, corpus.ids, read), Corpus(corpus.name, corpus.ids, answers))
    tokenized, end = tokenize(tokenizer, task, None if limit is None else limit - 1), end_token(tokenizer)
    return [_ended(text, end) for text in tokenized.texts], tokenized.dropped


def _ended(text: Text, end: int) -> Pair:
    """A text up to its last asked token, and the end token, which is asked for too."""
    cut = text.cut(max(place for place, asked in enumerate(text.scored) if asked) + 1)
    scored = (*cut.scored, True)
    return Pair(cut.row, cut.language, (*cut.token_ids, end), _none(scored), scored, 0, ())


def _none(values: Sequence[Any]) -> tuple[bool, ...]:
    return (False,) * len(values)


def pad_pairs(pairs: Sequence[Pair], pad_id: int) -> PairBatch:
    """One batch of these pairs, of whatever directions."""
    if not all(pair.token_ids for pair in pairs):
        raise CorpusError("A pair has no tokens.", "Expected at least one in each text.")
    read = pad(pairs)
    answers = [torch.tensor(pair.target_ids, dtype=torch.int64) for pair in pairs]
    lengths = torch.tensor([len(answer) for answer in answers])
    targets = pad_sequence(answers, batch_first=True, padding_value=pad_id)
    real = torch.arange(targets.shape[1]) < lengths[:, None]
    token_ids = read.token_ids.masked_fill(~read.real, pad_id)
    parts = read.texts, token_ids, read.real, read.special, read.scored
    return PairBatch(*parts, targets=targets, target_real=real, pad_id=pad_id)


def batches_by_direction(pairs: Pairs, token_budget: int = TOKEN_BUDGET) -> Iterator[PairBatch]:
    """Batches of one direction each, longest pairs first, of at most so many padded tokens on both sides together."""
    for place in range(len(pairs.directions)):
        of_direction = [pair for pair in pairs.pairs if pair.language == place]
        of_direction.sort(key=lambda pair: (-len(pair.token_ids), -len(pair.target_ids), pair.row))
        start = 0
        while start < len(of_direction):
            end, widest = start, 0
            for pair in of_direction[start:]:
                widest = max(widest, len(of_direction[start].token_ids) + len(pair.target_ids))
                if end > start and (end - start + 1) * widest > token_budget:
                    break
                end += 1
            yield pad_pairs(of_direction[start:end], pairs.pad_id)
            start = end


def translation_inputs(view: ModelView, batch: PairBatch) -> dict[str, Any]:
    """What the model is given to translate the batch with the right answer before its eyes (teacher forcing)."""
    read = {"input_ids": batch.token_ids, "attention_mask": batch.real.long(), "use_cache": False}
    if view.family.predicts_next:
        return read
    answered = TokenBatch(batch.targets, batch.target_real)
    return view.family.reads.forward_kwargs(view.model, answered) | read


def labels(batch: PairBatch) -> Tensor:
    """What is to be answered at each position, `IGNORED` where nothing is: `[B, U]`, or `[B, T]` of a decoder alone."""
    if batch.targets.shape[1]:
        return batch.targets.masked_fill(~batch.target_real, IGNORED)
    return batch.token_ids.masked_fill(~(batch.scored & batch.real), IGNORED)
