"""What a pass reads, as batches in a fixed order: a corpus, of which a window of rows is in memory at a time, or texts
that are tokens already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Literal

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directed import Directed, Parallel
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch, by_language, by_row
from neuroglot.tokens.pairs import PairReading, encode_pairs
from neuroglot.tokens.tokenizing import Text, context_limit, encode, fits, nothing_fits
from neuroglot.tokens.unknown import UnknownTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WINDOW_CHARACTERS = 2**21  # of text that is held as tokens at once: enough to sort by length, little to keep
MIN_PREFIX = 32  # tokens; shorter beginnings cost more to keep than to compute again


Order = Literal["language", "row"]


def reading_of(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Parallel, order: Order = "language",
    token_budget: int = TOKEN_BUDGET, share_prefixes: bool = False, equal_once: bool = True,
    count_padding: bool = False,
) -> Reading | PairReading:  # fmt: skip
    """The batches of texts, or of translation pairs, in which beginnings and equal texts are read each time."""
    if isinstance(data, Directed):
        pairs = encode_pairs(view, tokenizer, data.corpus, data.directions, data.tags)
        unknown = UnknownTokens(tokenizer, data.languages).count(pairs.pairs).refuse()
        return PairReading(data, pairs, order, token_budget, count_padding, unknown.signature)
    limit = context_limit(tokenizer, text_config(view.model))
    return Reading(tokenizer, data, limit, order, token_budget, share_prefixes, equal_once)


def read_as(data: Parallel, padding: str = "") -> Signature:
    """What a signature says of how a model reads the data: nothing of plain text; that pairs are translated, what
    becomes of their `padding` where that is said, and the tokens that name languages.
    """
    if not isinstance(data, Directed):
        return Signature()
    tags = ",".join(f"{language}={token}" for language, token in sorted(data.tags.items()))
    said = {"padding": padding} if padding else {}
    return Signature.of(read="translation", **said, tags=tags or None)


@dataclass(eq=False)
class Reading:
    """The batches of a corpus: always the same, whatever has been read of it before and by which process.

    `order` is `language` (batches of one language, padded least) or `row` (all languages of a row in one batch). Rows
    with a text of more than `max_tokens` are left out in all languages; `dropped` lists them once they were met, and
    `unknown` says which share of the tokens read so far the tokenizer does not know. A language of which that is half
    or more is refused with `CorpusError`.
    """

    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus
    max_tokens: int | None
    order: Order = "language"
    token_budget: int = TOKEN_BUDGET
    share_prefixes: bool = False
    equal_once: bool = True
    dropped: list[int] = field(default_factory=list)
    unknown: Signature = field(default_factory=Signature)

    @property
    def texts(self) -> int:
        """How many texts there are to read, those of dropped rows included."""
        return len(self.corpus) * len(self.corpus.languages)

    @property
    def together(self) -> int:
        """How many texts must stay in one batch."""
        return len(self.corpus.languages) if self.order == "row" else 1

    @property
    def rows(self) -> Sequence[int]:
        """The rows that were read, once all were; raises `CorpusError` where none was."""
        left_out = set(self.dropped)
        if len(left_out) == len(self.corpus):
            raise nothing_fits(self.corpus.name, self.max_tokens)
        rows = range(len(self.corpus))
        return [row for row in rows if row not in left_out] if left_out else rows

    def __iter__(self) -> Iterator[Batch]:
        self.dropped.clear()
        unknown = UnknownTokens(self.tokenizer, self.corpus.languages)
        for window in self._windows():
            texts = list(self._fitting(window))
            self.unknown = unknown.count(texts).refuse().signature
            if not texts:
                continue
            languages = len(self.corpus.languages)
            if self.order == "row":
                yield from by_row(texts, languages, self.token_budget)
            else:
                min_prefix = MIN_PREFIX if self.share_prefixes else None
                yield from by_language(texts, languages, self.token_budget, min_prefix, self.equal_once)

    def _windows(self) -> Iterator[range]:
        """Ranges of rows with about `WINDOW_CHARACTERS` of text each."""
        start, characters = 0, 0
        for row, texts in enumerate(zip(*self.corpus.texts.values(), strict=True)):
            characters += sum(map(len, texts))
            if characters >= WINDOW_CHARACTERS:
                yield range(start, row + 1)
                start, characters = row + 1, 0
        if start < len(self.corpus):
            yield range(start, len(self.corpus))

    def _fitting(self, window: range) -> Iterator[Text]:
        part = self.corpus.take(window)
        columns = [
            encode(self.tokenizer, part, language, first_row=window.start, to_score=False)
            for language in part.languages
        ]
        rows: list[Sequence[Text]] = list(zip(*columns, strict=True))
        self.dropped.extend(row[0].row for row in rows if not fits(row, self.max_tokens))
        kept = (row for row in rows if fits(row, self.max_tokens))
        yield from chain.from_iterable(
            [replace(text, language=index) for index, text in enumerate(row)] for row in kept
        )


@dataclass(eq=False)
class GivenTexts:
    """Texts that are tokens already, row by row and each row in the order of the languages; `order` as in `Reading`."""

    given: Sequence[Text]
    languages: int
    token_budget: int = TOKEN_BUDGET
    order: Order = "language"

    @property
    def texts(self) -> int:
        return len(self.given)

    @property
    def together(self) -> int:
        return self.languages if self.order == "row" else 1

    def __iter__(self) -> Iterator[Batch]:
        cut = by_row if self.order == "row" else by_language
        return cut(self.given, self.languages, self.token_budget)
