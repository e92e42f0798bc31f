"""Scores of translations by direction, beside those of a baseline, with intervals by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import CorpusError
from neuroglot.metrics.texts import TextOptions, Texts, TextScore, score_texts
from neuroglot.specialization.directions import Direction
from neuroglot.specialization.pairs import Pairs

Translations = Mapping[Direction, Sequence[str]]


def score_translations(
    translations: Translations,
    corpus: Corpus,
    pairs: Pairs,
    metrics: Sequence[str] = ("bleu", "chrf++"),
    baseline: Translations | None = None,
) -> dict[Direction, list[TextScore]]:
    """Each direction's scores by metrics of `neuroglot.metrics.texts`, against the corpus's own text in the target.

    `translations[direction][r]` is of the row `pairs.ids[r]`, as `translate` gives them; so is a `baseline`, such as
    the same model without masks, to which the difference is tested. Raises as `score_texts` does, and `CorpusError`
    where the corpus lacks rows or a baseline lacks a direction.
    """
    places = {row_id: row for row, row_id in enumerate(corpus.ids)}
    lacking = [row_id for row_id in pairs.ids if row_id not in places]
    without = [str(direction) for direction in translations if baseline is not None and direction not in baseline]
    if lacking or without:
        raise CorpusError(
            f"There is nothing to compare with for {(lacking + without)[0]!r}.",
            "Expected every row in the corpus, and every direction in the baseline.",
        )
    rows = corpus.take(places[row_id] for row_id in pairs.ids)
    scores = {}
    for direction, column in translations.items():
        texts = Texts(tuple(column), (rows.texts[direction.target],), rows.texts[direction.source])
        options = TextOptions(language=direction.target)
        scores[direction] = score_texts(texts, metrics, options, None if baseline is None else baseline[direction])
    return scores
