"""Which texts were read, as hashes, so that it can be told later whether rows are among them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directed import Directed

MOVED_AT_ONCE = 2**16  # hashes


def text_hashes(data: Corpus | Task | Directed) -> set[int]:
    """A hash of each text of a corpus, or of each prompt of a task, in any language: 63 bits of SHA-256."""
    return set(sorted_hashes(data).tolist())


def sorted_hashes(data: Corpus | Task | Directed) -> NDArray[np.int64]:
    """The same in ascending order, each once: 8 bytes a text."""
    columns = list(_columns(data))
    hashes = np.fromiter((_text_hash(text) for column in columns for text in column), np.int64, sum(map(len, columns)))
    hashes.sort()
    return hashes[: _moved_together(hashes)]


def _moved_together(ordered: NDArray[np.int64]) -> int:
    """Move each number once to the front of an ascending array, a part at a time; how many there are."""
    kept = 0
    for start in range(0, len(ordered), MOVED_AT_ONCE):
        part = np.unique(ordered[start : start + MOVED_AT_ONCE])
        if kept and part[0] == ordered[kept - 1]:
            part = part[1:]
        ordered[kept : kept + len(part)] = part
        kept += len(part)
    return kept


def rows_with(data: Corpus | Task | Directed, hashes: Collection[int] | NDArray[np.int64]) -> int:
    """How many rows have a text, in any language, whose hash is among these."""
    known = np.fromiter(hashes, np.int64, len(hashes))
    seen = np.zeros(len(data), dtype=bool)
    for column in _columns(data):
        seen |= np.isin(np.fromiter(map(_text_hash, column), np.int64, len(column)), known)
    return int(seen.sum())


def _columns(data: Corpus | Task | Directed) -> Iterable[Sequence[str]]:
    """What is read in each language; a text is the same on either side of a direction."""
    rows = data.prompts if isinstance(data, Task) else data.corpus if isinstance(data, Directed) else data
    return rows.texts.values()


def _text_hash(text: str) -> int:
    digest = hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
