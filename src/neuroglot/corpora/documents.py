"""Documents that rows are of, where a file beside them says so, and parts of rows that share none.

OPUS's archives of Moses files have one: `Europarl.de-en.ids` has a line for each of `Europarl.de-en.de`, with the
document of either side and the numbers of the sentences, between tabs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuroglot.corpora.corpus import Corpus, Documents
from neuroglot.corpora.seen import text_hashes, which_have
from neuroglot.corpora.textfiles import COMPRESSED, lines_of
from neuroglot.errors import CorpusError

IDS = ".ids"
_SIDES = 2  # documents of a row


def documents_beside(stem: Path, rows: int) -> Documents:
    """The documents of each row, a column for each side; none where no file says so.

    `stem` is what the files share, `Europarl.de-en`. Raises `CorpusError` for a line that does not name both, and for
    another number of lines than there are rows.
    """
    for path in (stem.with_name(f"{stem.name}{IDS}{packed}") for packed in ("", *COMPRESSED)):
        if not path.is_file():
            continue
        named = [_documents(line, path, number) for number, line in enumerate(lines_of(path), 1)]
        if len(named) != rows:
            raise CorpusError(
                f"{path} has {len(named):,} lines, and the texts beside it {rows:,}.",
                "Expected as many.", "Take all from one archive, or move the file of ids away.",
            )  # fmt: skip
        return tuple(zip(*named, strict=True))
    return ()


def _documents(line: str, path: Path, number: int) -> tuple[str, ...]:
    sides = tuple(sys.intern(part.strip()) for part in line.split("\t")[:_SIDES])
    if len(sides) < _SIDES or not all(sides):
        raise CorpusError(
            f"{path}:{number} reads {line[:40]!r}.", "Expected the documents of both sides, and tabs between them.",
            "Move the file away if it says nothing of documents.",
        )  # fmt: skip
    return sides


def among(rows: Corpus, names: set[str]) -> NDArray[np.bool_]:
    """Which rows are of one of these documents: `[R]`."""
    found = np.zeros(len(rows), dtype=bool)
    for column in rows.documents:
        found |= np.fromiter((name in names for name in column), bool, len(rows))
    return found


def document_names(rows: Corpus) -> set[str]:
    """The documents of the rows."""
    return {name for column in rows.documents for name in column}


def deal(
    corpus: Corpus, sizes: Sequence[int], seed: int, *, all_held: bool = False
) -> tuple[list[Corpus], NDArray[np.int64]]:
    """Parts of so many rows, of documents that are drawn with the seed, and the positions of the rows that are left.

    No two of these share a document, or a text: what the last document of a part has beyond its size, and what
    repeats a text of an earlier part, is in none. Raises `CorpusError` where there are too few; and, unless
    `all_held`, where no row is left.
    """
    document_of = _joined(corpus.documents)
    count = int(document_of.max()) + 1
    order = iter(random.Random(seed).sample(range(count), count))
    parts: list[Corpus] = []
    known: set[int] = set()
    free = np.ones(len(corpus), dtype=bool)
    for size in sizes:
        rows: NDArray[np.int64] = np.empty(0, np.int64)
        while len(rows) < size:
            if (document := next(order, None)) is None:
                raise _too_few(corpus, count, sizes)
            of_document = np.flatnonzero(document_of == document)
            free[of_document] = False
            rows = np.concatenate([rows, of_document[~which_have(corpus.take(of_document), known)]])
        parts.append(corpus.take(np.sort(rows[:size])))
        known |= text_hashes(parts[-1])
    free &= ~which_have(corpus, known)
    if not (free.any() or all_held):
        raise _too_few(corpus, count, sizes)
    return parts, np.flatnonzero(free)


def _joined(documents: Documents) -> NDArray[np.int64]:
    """A number for each row; rows that share a document on either side, directly or through others, have the same."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers: dict[str, int] = {}
    first, second = (
        np.fromiter((numbers.setdefault(name, len(numbers)) for name in column), np.int64, len(column))
        for column in documents
    )
    shared = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(len(numbers), len(numbers)))
    _, component = connected_components(shared, directed=False)
    found: NDArray[np.int64] = np.unique(component[first], return_inverse=True)[1].astype(np.int64)
    return found


def _too_few(corpus: Corpus, documents: int, sizes: Sequence[int]) -> CorpusError:
    return CorpusError(
        f"{corpus.name!r} has {len(corpus):,} rows, of {documents:,} documents that are apart.",
        f"Expected enough for parts of {' and '.join(map(str, sizes))} rows that share no document and no text.",
        "Hold out fewer rows, name other text, or move the file of ids away: rows are then apart by themselves.",
    )
