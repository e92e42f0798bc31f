"""Lint of parallel text: each text held against its source, its language, its other rows, and test sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import language_compared_with
from neuroglot.errors import ConfigError
from neuroglot.metrics.identification import UNDECIDED, identifiable, identify
from neuroglot.metrics.leakage import leaked
from neuroglot.metrics.linting import (
    ELSEWHERE,
    FINDING_KINDS,
    REPEATED,
    Lint,
    can_tell,
    length_findings,
    rows_repeated,
    text_findings,
)
from neuroglot.models.provenance import made_with
from neuroglot.signature import Signature

SURE = 0.5  # relative confidence by which lingua's likeliest language leads


def lint(
    corpus: Corpus,
    *,
    relative_to: str | None = None,
    length_factor: float = 3.0,
    candidates: Sequence[str] = (),
    against: Sequence[Corpus] = (),
) -> Lint:
    """What is wrong with the rows of a corpus.

    Texts are held against those of `relative_to`, by default English, or the first language without it. With
    `candidates` lingua tells the language of each text among these and the corpus's own. `against` are test sets that
    must not be in the corpus, in no language of theirs. Raises `ConfigError` on a factor that is not above 1, and as
    `language_compared_with` and `identify` do.
    """
    base = language_compared_with(corpus.languages, relative_to)
    if not length_factor > 1:
        raise ConfigError(f"Got a factor of {length_factor} between lengths.", "Expected one above 1.")
    repeated = {REPEATED: {language: rows_repeated(column) for language, column in corpus.texts.items()}}
    parts: list[Mapping[str, Mapping[str, Sequence[int]]]] = [
        text_findings(corpus, base), length_findings(corpus, base, length_factor), repeated,
        {ELSEWHERE: _in_another_language(corpus, candidates)}, *(leaked(corpus, test) for test in against),
    ]  # fmt: skip
    options = Signature.of(
        relative_to=base, length_factor=length_factor, identified_among=",".join(candidates) or None,
        against=" + ".join(f"{test.name} {test.hash}" for test in against) or None,
    )  # fmt: skip
    return Lint(corpus, base, _joined(parts), made_with(data=corpus) | options)


def _joined(
    parts: Sequence[Mapping[str, Mapping[str, Sequence[int]]]],
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Findings of several parts as one, in the order of `FINDING_KINDS`, without empty ones."""
    joined: dict[str, dict[str, tuple[int, ...]]] = {}
    for kind in FINDING_KINDS:
        for language in dict.fromkeys(language for part in parts for language in part.get(kind, {})):
            rows = {row for part in parts for row in part.get(kind, {}).get(language, ())}
            if rows:
                joined.setdefault(kind, {})[language] = tuple(sorted(rows))
    return joined


def _in_another_language(corpus: Corpus, candidates: Sequence[str]) -> dict[str, list[int]]:
    """Rows whose text lingua takes, being sure, for another language; of languages that it does not know, none."""
    if not candidates:
        return {}
    own = [language for language in corpus.languages if identifiable(language)]
    known = list(dict.fromkeys([*own, *candidates]))
    findings = {}
    for language in own:
        rows = [row for row, text in enumerate(corpus.texts[language]) if can_tell(text)]
        told = identify([corpus.texts[language][row] for row in rows], known, min_distance=SURE)
        findings[language] = [row for row, code in zip(rows, told, strict=True) if code not in (language, UNDECIDED)]
    return findings
