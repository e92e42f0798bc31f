"""Translation pairs of a parallel corpus as tokens, for several directions: rows, padded batches, inputs and labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction, as_direction
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.models.inputs import TokenBatch
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.prompting.translating import translation_prompts
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch, pad
from neuroglot.tokens.examples import IGNORED, LONG, Examples, examples
from neuroglot.tokens.language_tokens import Convention, Tags, end_token, require_convention
from neuroglot.tokens.tokenizing import Text, context_limit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Pair(Text):
    """A text and its translation; `language` is the direction's place.

    Beside an encoder, `token_ids` is what the encoder reads and `target_ids` what the decoder is to answer. A decoder
    alone reads both as one text in `token_ids`, whose translation is `scored`, and `target_ids` is empty.
    """

    target_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The rows that are kept, in every direction: their `ids`, which a pair's `row` counts.

    `dropped` are the ids of the others, `reasons` counts them by reason.
    """

    directions: tuple[Direction, ...]
    pairs: tuple[Pair, ...]
    ids: tuple[str, ...]
    dropped: tuple[str, ...]
    pad_id: int
    reasons: Mapping[str, int]


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

    A decoder alone is asked in a prompt (`prompting.translating`). `tags` names the tokenizer's token of a language
    whose code does not tell. Rows with a text longer than the model's context, or of a decoder that are unfit otherwise
    (`tokens.examples`), are dropped in all directions. Raises `ConfigError` for directions named twice or that cannot
    be written, and languages without a token; `CorpusError` if a text has no tokens or no row is left;
    `UnsupportedModelError` for models and tokenizers whose conventions are not known.
    """
    chosen = _checked(directions, corpus)
    limit = context_limit(tokenizer, text_config(view.model))
    if view.family.predicts_next:
        encoded = _as_one_text(tokenizer, corpus, chosen, limit)
        pairs = tuple(
            Pair(text.row, text.language, text.token_ids, text.special, text.scored, 0, ()) for text in encoded.texts
        )
        kept, reasons = encoded.kept, encoded.dropped
    else:
        convention = require_convention(view, tokenizer, tags)
        pairs, kept = _as_two_texts(convention, corpus, chosen, limit)
        reasons = {LONG: len(corpus) - len(kept)} if len(kept) < len(corpus) else {}
    if not kept:
        listed = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
        raise CorpusError(
            f"No row of {corpus.name!r} is left ({listed}).",
            f"Expected one or more of at most {limit} tokens a text, the model's context.",
        )
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    ids, left_out = tuple(corpus.ids[row] for row in kept), set(range(len(corpus))) - set(kept)
    return Pairs(chosen, pairs, ids, tuple(corpus.ids[row] for row in sorted(left_out)), pad_id, reasons)


def _checked(directions: Sequence[Direction | str], corpus: Corpus) -> tuple[Direction, ...]:
    chosen = tuple(as_direction(direction) for direction in directions)
    if not chosen or len(set(chosen)) != len(chosen):
        raise ConfigError(f"Got the directions {', '.join(map(str, chosen))}.", "Expected one or more, each once.")
    for direction in chosen:
        corpus.select([direction.source, direction.target])  # refuses a language that it lacks
        as_direction(str(direction))  # refuses names that cannot be read back
    return chosen


def _as_two_texts(
    convention: Convention, corpus: Corpus, directions: Sequence[Direction], limit: int | None
) -> tuple[tuple[Pair, ...], tuple[int, ...]]:
    """The pairs of encoder and decoder, direction by direction, and the rows that are kept."""
    columns = []
    for direction in directions:
        read = convention.sources(direction, corpus.texts[direction.source])
        columns.append(list(zip(read, convention.targets(direction, corpus.texts[direction.target]), strict=True)))
    lengths = [max(len(ids) for column in columns for ids in column[row]) for row in range(len(corpus))]
    kept = tuple(row for row, length in enumerate(lengths) if limit is None or length <= limit)
    pairs = [
        Pair(number, index, tuple(read), (False,) * len(read), (False,) * len(read), 0, tuple(answer))
        for index, column in enumerate(columns)
        for number, (read, answer) in enumerate(column[row] for row in kept)
    ]
    return tuple(pairs), kept


def _as_one_text(
    tokenizer: PreTrainedTokenizerBase, corpus: Corpus, directions: Sequence[Direction], limit: int | None
) -> Examples:
    """Prompts with the translations as answers, row by row and each row in the order of the directions."""
    end_token(tokenizer)  # refuses a tokenizer without one
    columns = [
        zip(
            translation_prompts(corpus.texts[direction.source], direction.source, direction.target),
            [f" {text}" for text in corpus.texts[direction.target]],
            strict=True,
        )
        for direction in directions
    ]
    items = [item for row in zip(*columns, strict=True) for item in row]
    return examples(tokenizer, items, end="eos", max_tokens=limit, row_size=len(directions))


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
