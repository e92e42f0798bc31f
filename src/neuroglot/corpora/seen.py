"""Which texts were read, as hashes, so that it can be told later whether rows are among them; and the one refusal of
rows that chose what is to be judged on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directed import Directed
from neuroglot.errors import CorpusError
from neuroglot.headers import Chosen
from neuroglot.signature import Signature

SameRows = Literal["refuse", "allow"]

MOVED_AT_ONCE = 2**16  # hashes


def text_hashes(data: Corpus | Task | Directed) -> set[int]:
    """A hash of each text of a corpus, or of each prompt of a task, in any language: 63 bits of SHA-256."""
    return set(sorted_hashes(data).tolist())


def sorted_hashes(data: Corpus | Task | Directed) -> NDArray[np.int64]:
    """The same in ascending order, each once: 8 bytes a text."""
    return column_hashes(_columns(data))


def column_hashes(columns: Iterable[Sequence[str]]) -> NDArray[np.int64]:
    """Those of the texts of these columns."""
    columns = list(columns)
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
    return int(which_have(data, hashes).sum())


def which_have(data: Corpus | Task | Directed, hashes: Collection[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows have a text, in any language, whose hash is among these: `[R]`."""
    known = np.fromiter(hashes, np.int64, len(hashes))
    seen = np.zeros(len(data), dtype=bool)
    for column in _columns(data):
        seen |= np.isin(np.fromiter(map(_text_hash, column), np.int64, len(column)), known)
    return seen


def rows_selected_on(data: Corpus | Task | Directed, chosen: Iterable[Chosen], same_rows: SameRows = "refuse") -> int:
    """How many rows of `data` some of what was `chosen` depends on: neurons, masks, or values that were read there.

    What does not know its texts is compared by the hash of its whole corpus. Raises `CorpusError` for one such row,
    unless they are allowed: what was chosen by what it does on rows looks better there than elsewhere.
    """
    chosen = list(chosen)
    seen = len(data) if _whole(data.hash, chosen) else rows_with(data, _read(chosen))
    return _allowed(seen, len(data), data.name, same_rows)


def texts_selected_on(
    name: str, rows: Sequence[Sequence[str]], chosen: Iterable[Chosen], same_rows: SameRows = "refuse"
) -> int:
    """`rows_selected_on` of rows that are no corpus, each given by its texts."""
    known = set(_read(list(chosen)).tolist())
    seen = sum(any(_text_hash(text) in known for text in row) for row in rows) if known else 0
    return _allowed(seen, len(rows), name, same_rows)


def _read(chosen: Sequence[Chosen]) -> NDArray[np.int64]:
    """The hashes of all texts that something was chosen on, each once."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *(choice.read.numpy() for choice in chosen)]))


def _whole(corpus_hash: str, chosen: Iterable[Chosen]) -> bool:
    """Whether something was chosen on this very corpus; hashes of the corpora of a sum are joined by `+`."""
    return any(corpus_hash in str(choice.signature.get("corpus_hash")).split("+") for choice in chosen)


def _allowed(seen: int, rows: int, name: str, same_rows: SameRows) -> int:
    if seen and same_rows == "refuse":
        raise CorpusError(
            f"{seen} of the {rows} rows of {name!r} are among those that the neurons were selected on.",
            "Expected other rows, because neurons look better on rows for which they were chosen.",
            "Select on one part and judge on the other (--part selection, then --part rest), or say that they may be "
            "the same (--same-rows allow).",
        )
    return seen


def told_rows(seen: int) -> Signature:
    """What a signature says of rows that chose the neurons which are judged by them; a page says it first."""
    return Signature.of(same_rows=seen) if seen else Signature()


def _columns(data: Corpus | Task | Directed) -> Iterable[Sequence[str]]:
    """What is read in each language; a text is the same on either side of a direction."""
    rows = data.prompts if isinstance(data, Task) else data.corpus if isinstance(data, Directed) else data
    return rows.texts.values()


def _text_hash(text: str) -> int:
    digest = hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
