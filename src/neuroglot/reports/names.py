"""Names of the languages and layers in a report, by which its page filters: on axes, above panels, in tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neuroglot.reports.labels import language_label, layer_labels


def filterable(results: Iterable[Any]) -> dict[str, list[tuple[str, str]]]:
    """`languages` as (code, label) and `layers` as (short name, label), each once, as the results name them."""
    codes: list[str] = []
    layers: dict[str, str] = {}
    for result in results:
        codes += result if isinstance(result, Mapping) else ()
        for one in _singles(result):
            codes += getattr(one, "languages", ())
            if layout := getattr(one, "layout", None):
                labels = layer_labels(layout)
                layers |= dict(zip(labels.full, labels.short))
    return {
        "languages": [(code, language_label(code)) for code in dict.fromkeys(codes)],
        "layers": [(short, label) for label, short in layers.items()],
    }


def _singles(result: Any) -> Iterable[Any]:
    """Neuron sets by language and results that are shown together, one by one."""
    if isinstance(result, Mapping):
        return result.values()
    return result if isinstance(result, tuple) else (result,)
