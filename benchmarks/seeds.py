"""What several benchmarks read of runs over seeds, and say of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from neuroglot.metrics import holm
from neuroglot.storage import write_whole

Results = dict[str, float]


def interval(values: Sequence[float]) -> str:
    """Mean, its 95% t interval over seeds, and the smallest effect told with 80% power: t + 0.84 errors.

    Of one seed the mean alone.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return json.dumps({"mean": mean})
    error = float(stats.sem(values))
    t = float(stats.t.ppf(0.975, len(values) - 1))
    return json.dumps({"mean": mean, "low": mean - t * error, "high": mean + t * error, "told": (t + 0.84) * error})


def told(paired: Mapping[str, Sequence[float]]) -> list[str]:
    """Holm's p of each mean difference over seeds, which are one family; of one seed nothing."""
    p_values = [float(stats.ttest_1samp(values, 0).pvalue) for values in paired.values() if len(values) > 1]
    return [f"{name}, Holm: p = {p:.4f}" for name, p in zip(paired, holm(p_values), strict=False)] if p_values else []


def kept(path: Path, stated: Mapping[str, Any], make: Callable[[], Results]) -> Results:
    """The results of one run: read if they are there and were made so, else computed and written."""
    if path.is_file():
        stored: dict[str, Any] = json.loads(path.read_text())
        if stored["stated"] != stated:
            raise SystemExit(f"{path} was made with {stored['stated']}. Expected {stated}; name another --out.")
        return dict(stored["results"])
    results = make()
    write_whole(path, json.dumps({"stated": stated, "results": results}, indent=1) + "\n")
    return results


def records(table: Any) -> list[dict[str, Any]]:
    """The rows of a report's table, by its headings."""
    headings = [column.name for column in table.columns]
    return [dict(zip(headings, row, strict=True)) for row in table.rows]
