"""What is recognised of a file beyond the plain layouts is said in the log, also if a copy of the file is read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_log = logging.getLogger(__name__)
_heard: ContextVar[dict[str, None] | None] = ContextVar("heard", default=None)


def recognised(sentence: str) -> None:
    """Say what was recognised; once of what is read in one `heard`."""
    heard = _heard.get()
    if heard is None or sentence not in heard:
        _log.info("%s", sentence)
    if heard is not None:
        heard[sentence] = None


@contextmanager
def heard() -> Iterator[dict[str, None]]:
    """What is recognised in this block, in its order."""
    sentences: dict[str, None] = {}
    token = _heard.set(sentences)
    try:
        yield sentences
    finally:
        _heard.reset(token)
