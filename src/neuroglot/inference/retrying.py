"""When a request is sent again, and after how long."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED = frozenset((408, 409, 429, *range(500, 600)))


@dataclass(frozen=True)
class Retrying:
    """Up to `attempts` requests; between them `first_wait` seconds, doubled each time, at most `longest_wait`.

    Each wait is shortened at random by up to half, so that requests that failed together do not return together. A
    server's Retry-After is kept instead, and a longer one than `longest_wait` ends the attempts.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def wait(self, attempt: int, retry_after: str | None) -> float | None:
        """Seconds to wait after this attempt, counted from 1; None to give up."""
        if attempt >= self.attempts:
            return None
        told = seconds_told(retry_after)
        if told is not None:
            return told if told <= self.longest_wait else None
        return min(self.longest_wait, self.first_wait * 2 ** (attempt - 1)) * random.uniform(0.5, 1)


def seconds_told(retry_after: str | None) -> float | None:
    """Seconds in a Retry-After header, which is a number or a date (RFC 9110, 10.2.3); None for anything else."""
    try:
        told = float(retry_after or "")
    except ValueError:
        try:
            date = parsedate_to_datetime(retry_after or "")
        except (ValueError, OverflowError):
            return None
        told = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return max(0.0, told) if math.isfinite(told) else None
