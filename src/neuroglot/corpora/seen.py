"""Which texts were read, as hashes, so that it can be told later whether rows are among them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Set

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.directed import Directed


def text_hashes(data: Corpus | Task | Directed) -> set[int]:
    """A hash of each text of a corpus, or of each prompt of a task, in any language: 63 bits of SHA-256."""
    return {_text_hash(text) for column in _columns(data) for text in column}


def rows_with(data: Corpus | Task | Directed, hashes: Set[int]) -> int:
    """How many rows have a text, in any language, whose hash is among these."""
    return sum(any(_text_hash(text) in hashes for text in row) for row in zip(*_columns(data), strict=True))


def _columns(data: Corpus | Task | Directed) -> Iterable[tuple[str, ...]]:
    """What is read in each language; a text is the same on either side of a direction."""
    rows = data.prompts if isinstance(data, Task) else data.corpus if isinstance(data, Directed) else data
    return rows.texts.values()


def _text_hash(text: str) -> int:
    digest = hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
