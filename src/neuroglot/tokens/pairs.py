"""Pairs of what is read and what is answered, as tokens: rows, padded batches, inputs and labels.

They are translation pairs of a parallel corpus in several directions; `tokens.masking` makes pairs of masked texts too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.directions import Direction
from neuroglot.errors import CorpusError
from neuroglot.models.inputs import TokenBatch
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.prompting.translating import translation_prompts
from neuroglot.signature import Signature
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch, pad
from neuroglot.tokens.examples import IGNORED, LONG, Examples, examples
from neuroglot.tokens.language_tokens import Convention, Tags, end_token, require_convention
from neuroglot.tokens.tokenizing import Text, context_limit, token_ids_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Pair(Text):
    """A text and its answer; `language` is the direction's place.

    Beside an encoder, `token_ids` is what the encoder reads and `target_ids` what is to be answered. `target_special`
    marks what stands around the translation, and `target_scored` what is asked for: all but tokens that name a
    language, which the decoder is given, so that the end token is asked for too. A decoder alone reads both as one text
    in `token_ids`, whose translation is `scored`, and `target_ids` is empty; `source_ids` is then the source without
    the prompt around it.
    """

    target_ids: tuple[int, ...] = ()
    target_special: tuple[bool, ...] = ()
    target_scored: tuple[bool, ...] = ()
    source_ids: tuple[int, ...] = ()

    @property
    def asked(self) -> list[int]:
        """The tokens whose probability is asked for."""
        answer = [token for token, is_scored in zip(self.target_ids, self.target_scored) if is_scored]
        return answer or super().asked

    @property
    def sides(self) -> tuple[list[int], ...]:
        """What is answered, and what is read; of a decoder's prompt only the source, however long the prompt is."""
        marked = zip(self.token_ids, self.special, self.scored)
        read = [token for token, is_added, is_asked in marked if not is_added and not is_asked]
        return self.asked, list(self.source_ids) or read


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
    """Pairs padded on the right with `pad_id`: what is read `[B, T]`, and what is answered, all `[B, U]`: `targets`,
    `target_real` (no padding), `target_special` and `target_scored`.

    `count_padding` says that a recording of the batch is to count padding too.
    """

    targets: Tensor
    target_real: Tensor
    target_special: Tensor
    target_scored: Tensor
    pad_id: int
    count_padding: bool = False

    def halves(self, together: int) -> tuple[PairBatch, PairBatch] | None:
        """Two batches with the same pairs, `together` at a time; None where there is only one such group."""
        groups = len(self.texts) // together
        if groups < 2:
            return None
        middle = groups // 2 * together
        return self._of(self.texts[:middle]), self._of(self.texts[middle:])

    def _of(self, texts: Sequence[Text]) -> PairBatch:
        return pad_pairs(texts, self.pad_id, self.count_padding)  # type: ignore[arg-type]  # its texts are pairs


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
    chosen = Directed(corpus, tuple(directions), tags or {}).directions  # type: ignore[arg-type]  # or their texts
    limit = context_limit(tokenizer, text_config(view.model))
    if view.family.predicts_next:
        encoded = _as_one_text(tokenizer, corpus, chosen, limit)
        pairs = tuple(_with_sources(tokenizer, corpus, chosen, encoded))
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
        _pair(convention, corpus, direction, (number, index, row), *columns[index][row])
        for index, direction in enumerate(directions)
        for number, row in enumerate(kept)
    ]
    return tuple(pairs), kept


def _pair(
    convention: Convention, corpus: Corpus, direction: Direction, place: tuple[int, int, int],
    read: Sequence[int], answer: Sequence[int],
) -> Pair:  # fmt: skip
    """One pair; its place is the number of its row among those kept, its direction's, and its row in the corpus."""
    number, index, row = place
    special, answer_special = (tuple(token in convention.special for token in ids) for ids in (read, answer))
    for language, flags in ((direction.source, special), (direction.target, answer_special)):
        if all(flags):
            raise CorpusError(
                f"The text in {language!r} at row {row + 1} (id {corpus.ids[row]!r}) has no tokens.",
                "Expected at least one token that does not name a language or an end.",
            )
    asked = tuple(token not in convention.languages for token in answer)
    answer_bytes = len(corpus.texts[direction.target][row].encode())
    unasked = (False,) * len(read)
    return Pair(number, index, tuple(read), special, unasked, answer_bytes, tuple(answer), answer_special, asked)


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


def _with_sources(
    tokenizer: PreTrainedTokenizerBase, corpus: Corpus, directions: Sequence[Direction], encoded: Examples
) -> Iterator[Pair]:
    columns = {
        source: token_ids_of(tokenizer, corpus.texts[source], special_tokens=False)["input_ids"]
        for source in {direction.source for direction in directions}
    }
    for text in encoded.texts:
        column = columns[directions[text.language].source]
        yield Pair(**vars(text), source_ids=tuple(column[encoded.kept[text.row]]))


def pad_pairs(pairs: Sequence[Pair], pad_id: int, count_padding: bool = False) -> PairBatch:
    """One batch of these pairs, of whatever directions."""
    if not all(pair.token_ids for pair in pairs):
        raise CorpusError("A pair has no tokens.", "Expected at least one in each text.")
    read = pad(pairs)
    lengths = torch.tensor([len(pair.target_ids) for pair in pairs])
    targets = _padded([pair.target_ids for pair in pairs], torch.int64, pad_id)
    return PairBatch(
        read.texts, read.token_ids.masked_fill(~read.real, pad_id), read.real, read.special, read.scored,
        targets=targets,
        target_real=torch.arange(targets.shape[1]) < lengths[:, None],
        target_special=_padded([pair.target_special for pair in pairs], torch.bool, False),
        target_scored=_padded([pair.target_scored for pair in pairs], torch.bool, False),
        pad_id=pad_id, count_padding=count_padding,
    )  # fmt: skip


def _padded(rows: Sequence[Sequence[int]], dtype: torch.dtype, value: int) -> Tensor:
    return pad_sequence([torch.tensor(row, dtype=dtype) for row in rows], batch_first=True, padding_value=value)


def batches_by_direction(
    pairs: Sequence[Pair], pad_id: int, token_budget: int = TOKEN_BUDGET, count_padding: bool = False
) -> Iterator[PairBatch]:
    """Batches of one direction each, longest pairs first, of at most so many padded tokens on both sides together."""
    by_direction: dict[int, list[Pair]] = {}
    for pair in pairs:
        by_direction.setdefault(pair.language, []).append(pair)
    for _, same in sorted(by_direction.items()):
        same.sort(key=lambda pair: (-len(pair.token_ids), -len(pair.target_ids), pair.row))
        for part in _cut([[pair] for pair in same], token_budget):
            yield pad_pairs(part, pad_id, count_padding)


def batches_by_pair_row(
    pairs: Sequence[Pair], pad_id: int, token_budget: int = TOKEN_BUDGET, count_padding: bool = False
) -> Iterator[PairBatch]:
    """Batches of whole rows: the pairs of one row stand next to each other, in the order of the directions."""
    rows: dict[int, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda pair: (pair.row, pair.language)):
        rows.setdefault(pair.row, []).append(pair)
    ordered = sorted(rows.values(), key=lambda row: (-max(len(pair.token_ids) for pair in row), row[0].row))
    for part in _cut(ordered, token_budget):
        yield pad_pairs(part, pad_id, count_padding)


def _cut(groups: Sequence[list[Pair]], token_budget: int) -> Iterator[list[Pair]]:
    """Cut groups of pairs, longest first, into batches of at most so many padded tokens, one group at the least."""
    part: list[Pair] = []
    longest = answer = 0
    for group in groups:
        longer = max(longest, *(len(pair.token_ids) for pair in group))
        longer_answer = max(answer, *(len(pair.target_ids) for pair in group))
        if part and (len(part) + len(group)) * (longer + longer_answer) > token_budget:
            yield part
            part, longer = [], max(len(pair.token_ids) for pair in group)
            longer_answer = max(len(pair.target_ids) for pair in group)
        part, longest, answer = part + group, longer, longer_answer
    if part:
        yield part


@dataclass(frozen=True)
class PairReading:
    """The batches of pairs of a `corpus`: always the same, in the order of a pass.

    `order` is `language` (batches of one direction) or `row` (all directions of a row in one batch). `unknown`
    says which share of the tokens the tokenizer does not know.
    """

    corpus: Directed
    pairs: Pairs
    order: Literal["language", "row"]
    token_budget: int
    count_padding: bool = False
    unknown: Signature = field(default_factory=Signature)

    @property
    def texts(self) -> int:
        return len(self.pairs.pairs)

    @property
    def together(self) -> int:
        """How many pairs must stay in one batch."""
        return len(self.pairs.directions) if self.order == "row" else 1

    @property
    def dropped(self) -> tuple[str, ...]:
        return self.pairs.dropped

    @property
    def rows(self) -> range:
        """The rows that are read, as pairs count them."""
        return range(len(self.pairs.ids))

    def __iter__(self) -> Iterator[Batch]:
        cut = batches_by_pair_row if self.order == "row" else batches_by_direction
        yield from cut(self.pairs.pairs, self.pairs.pad_id, self.token_budget, self.count_padding)


def translation_inputs(view: ModelView, batch: PairBatch) -> dict[str, Any]:
    """What the model is given to translate the batch with the right answer before its eyes (teacher forcing).

    An encoder alone is given what is read, and answers at its positions.
    """
    read = {"input_ids": batch.token_ids, "attention_mask": batch.real.long(), "use_cache": False}
    if view.family.predicts_next:
        return read
    if not view.family.generates:
        return {name: given for name, given in read.items() if name != "use_cache"}
    answered = TokenBatch(batch.targets, batch.target_real)
    return view.family.reads.forward_kwargs(view.model, answered) | read


def labels(batch: PairBatch) -> Tensor:
    """What is to be answered at each position, `IGNORED` where nothing is: `[B, U]`, or `[B, T]` of a decoder alone."""
    if batch.targets.shape[1]:
        return batch.targets.masked_fill(~batch.target_real, IGNORED)
    return batch.token_ids.masked_fill(~(batch.scored & batch.real), IGNORED)


def read_positions(view: ModelView, batch: PairBatch) -> dict[str, tuple[Tensor, Tensor]]:
    """Which positions each stack reads, and which of them are special: two masks `[B, T]` or `[B, U]` by stack.

    A decoder beside an encoder reads the answer one position later, behind a start token; the last token of a decoder
    alone is answered only.
    """
    stacks = [stack for stack, _ in view.layout.stacks]
    if view.family.predicts_next:
        read = torch.zeros_like(batch.real)
        read[:, :-1] = batch.real[:, 1:]
        return dict.fromkeys(stacks, (read, batch.special))
    behind = torch.ones_like(batch.target_special)
    behind[:, 1:] = batch.target_special[:, :-1]
    sides = {"encoder": (batch.real, batch.special), "decoder": (batch.target_real, behind)}
    return {stack: sides["encoder" if stack.startswith("encoder") else "decoder"] for stack in stacks}
