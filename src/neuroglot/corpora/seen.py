"""Which texts were read, as hashes, so that it can be told later whether rows are among them; and the one refusal of
rows that chose what is to be judged on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence, Set
from typing import Literal

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directed import Directed
from neuroglot.errors import CorpusError
from neuroglot.headers import Chosen
from neuroglot.signature import Signature

SameRows = Literal["refuse", "allow"]


def text_hashes(data: Corpus | Task | Directed) -> set[int]:
    """A hash of each text of a corpus, or of each prompt of a task, in any language: 63 bits of SHA-256."""
    return {_text_hash(text) for column in _columns(data) for text in column}


def rows_selected_on(data: Corpus | Task | Directed, chosen: Iterable[Chosen], same_rows: SameRows = "refuse") -> int:
    """How many rows of `data` some of what was `chosen` depends on: neurons, masks, or values that were read there.

    What does not know its texts is compared by the hash of its whole corpus. Raises `CorpusError` for one such row,
    unless they are allowed: what was chosen by what it does on rows looks better there than elsewhere.
    """
    return texts_selected_on(data.name, list(zip(*_columns(data), strict=True)), chosen, same_rows, data.hash)


def texts_selected_on(
    name: str,
    rows: Sequence[Sequence[str]],
    chosen: Iterable[Chosen],
    same_rows: SameRows = "refuse",
    corpus_hash: str | None = None,
) -> int:
    """`rows_selected_on` of rows that are no corpus, each given by its texts."""
    chosen = list(chosen)
    read = {text for choice in chosen for text in choice.read.tolist()}
    whole = corpus_hash is not None and any(corpus_hash in _corpora(choice) for choice in chosen)
    seen = len(rows) if whole else _with_one(rows, read)
    if seen and same_rows == "refuse":
        raise CorpusError(
            f"{seen} of the {len(rows)} rows of {name!r} are among those that the neurons were selected on.",
            "Expected other rows, because neurons look better on rows for which they were chosen.",
            "Select on one part and judge on the other (--part selection, then --part rest), or say that they may be "
            "the same (--same-rows allow).",
        )
    return seen


def told_rows(seen: int) -> Signature:
    """What a signature says of rows that chose the neurons which are judged by them; a page says it first."""
    return Signature.of(same_rows=seen) if seen else Signature()


def rows_with(data: Corpus | Task | Directed, hashes: Set[int]) -> int:
    """How many rows have a text, in any language, whose hash is among these."""
    return _with_one(zip(*_columns(data), strict=True), hashes)


def _with_one(rows: Iterable[Sequence[str]], hashes: Set[int]) -> int:
    return sum(any(_text_hash(text) in hashes for text in row) for row in rows) if hashes else 0


def _corpora(choice: Chosen) -> list[str]:
    """The hashes of whole corpora; those of a sum are joined by `+`."""
    return str(choice.signature.get("corpus_hash")).split("+")


def _columns(data: Corpus | Task | Directed) -> Iterable[tuple[str, ...]]:
    """What is read in each language; a text is the same on either side of a direction."""
    rows = data.prompts if isinstance(data, Task) else data.corpus if isinstance(data, Directed) else data
    return rows.texts.values()


def _text_hash(text: str) -> int:
    digest = hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
