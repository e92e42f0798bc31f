"""TopTexts: the texts on which each of some neurons fires most, and its rate in each language with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neuroglot.corpora.languages import is_right_to_left
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.layout import Layout
from neuroglot.metrics.intervals import row_means
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.showing import Described
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from neuroglot.activity.text_means import TextMeans
    from neuroglot.corpora.directed import Parallel


LONGEST_TEXT = 300  # characters of a text that a page shows
MOST_NEURONS_WITH_TEXTS = 2000


@dataclass(frozen=True, eq=False, repr=False)
class TopTexts(Described):
    """For each of K neurons (numbers `neurons [K]`, ascending) its M texts, the best first.

    * `places [K, M]`: rows of `texts`, which are (language, row id, text).
    * `shares [K, M]`: the share of that text's tokens on which the neuron fires.
    * `means [K, G, 3]`: its mean over texts by language, with the ends of a 95% interval over parallel rows.
    """

    layout: Layout
    languages: tuple[str, ...]
    neurons: Tensor
    texts: tuple[tuple[str, str, str], ...]
    places: Tensor
    shares: Tensor
    means: Tensor
    signature: Signature

    def to_json(self) -> dict[str, Any]:
        """Plain data for the page: numbers to four decimals, None for what is not defined."""
        return {
            "neurons": self.neurons.tolist(),
            "texts": [list(text) for text in self.texts],
            "places": self.places.tolist(),
            "shares": _rounded(self.shares),
            "means": [_rounded(of_one) for of_one in self.means],
            "directions": {code: _direction(code) for code in self.languages},
        }


def top_texts(
    means: TextMeans,
    corpus: Parallel,
    sets: Mapping[str, NeuronSet],
    *,
    most: int = 5,
    most_neurons: int = MOST_NEURONS_WITH_TEXTS,
) -> TopTexts:
    """The texts of `corpus` on which neurons of the `sets` fire most; `means` is its recording of the quantity `fired`;
    of directions a text is a source with its translation.

    Of more than `most_neurons` neurons those stay whose mean share differs most between languages. Raises
    `ConfigError` where `means` lacks `fired`, or has other rows or languages than `corpus`, as after a row that was
    longer than the model's context; or where the sets are empty.
    """
    if "fired" not in means.values:
        raise ConfigError(f"Means of {', '.join(means.values)} were given.", "Expected the quantity fired.")
    fired = means.values["fired"]
    if fired.shape[:2] != (len(corpus), len(corpus.languages)) or means.languages != corpus.languages:
        raise ConfigError(
            f"Means of {fired.shape[0]} rows in {', '.join(means.languages)} were given.",
            f"Corpus {corpus.name!r} has {len(corpus)} rows in {', '.join(corpus.languages)}.",
            "Give the rows that were read.",
        )
    if not any(map(len, sets.values())):
        raise ConfigError("The sets hold no neuron.", "Expected one or more whose texts are to be shown.")
    neurons = _chosen(fired, sets, most_neurons)
    values = fired[..., neurons]
    flat = values.nan_to_num(-1.0).flatten(0, 1).T  # [K, R·G]
    shares, places = flat.topk(min(most, flat.shape[1]), dim=1)
    used, renumbered = places.unique(return_inverse=True)
    texts = tuple(_text(corpus, int(place)) for place in used)
    return TopTexts(means.layout, corpus.languages, neurons, texts, renumbered, shares, _means(values), means.signature)


def _chosen(fired: Tensor, sets: Mapping[str, NeuronSet], most: int) -> Tensor:
    members = reduce(or_, (one.members for one in sets.values()))
    neurons = members.nonzero()[:, 0]
    if len(neurons) <= most:
        return neurons
    by_language = fired[..., neurons].nanmean(0)
    spread = by_language.amax(0) - by_language.amin(0)
    return neurons[spread.argsort(descending=True, stable=True)[:most].sort().values]


def _text(corpus: Parallel, place: int) -> tuple[str, str, str]:
    row, language = divmod(place, len(corpus.languages))
    code = corpus.languages[language]
    text = corpus.texts[code][row]
    return code, str(corpus.ids[row]), text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …"


def _means(values: Tensor) -> Tensor:
    """Means over rows with intervals: `[R, G, K]` → `[K, G, 3]`."""
    scores = row_means(values.flatten(1)).scores()
    ends = [(score.value, max(score.low, 0.0), min(score.high, 1.0)) for score in scores]
    return torch.tensor(ends, dtype=torch.float64).reshape(*values.shape[1:], 3).transpose(0, 1)


def _direction(code: str) -> str:
    """The value of HTML's `dir`; a code that no standard knows leaves it to the text."""
    try:
        return "rtl" if is_right_to_left(code) else "ltr"
    except CorpusError:
        return "auto"


def _rounded(values: Tensor) -> list[list[float | None]]:
    return [[None if value != value else round(value, 4) for value in row] for row in values.tolist()]
