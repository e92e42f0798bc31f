"""LanguageForcing: how many texts are in the language that was asked for, and in which the others are."""

from __future__ import annotations

from neuroglot.metrics.identification import UNDECIDED, LanguageForcing
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, language_labels, number, plural

_UNIT = "share of texts"


@section_of.register
def _(forcing: LanguageForcing) -> Section:
    """The share of texts in each language that was asked for, and what the texts were taken for."""
    mean = forcing.mean
    sentence = (
        f"Of {plural(len(forcing.ids), 'text')} in each language, {number(mean.value)} {bracketed(mean)} are in the "
        "language that was asked for, on the mean over languages."
    )
    return Section(
        key="identified",
        title="Languages of the texts",
        sentence=sentence,
        signature=forcing.signature,
        remarks=(INTERVALS,),
        figures=(_figure(forcing, sentence),),
        lines=tuple(_line(forcing, language) for language in forcing.languages),
    )


def _figure(forcing: LanguageForcing, sentence: str) -> Figure:
    scores = list(forcing.scores.values())
    spec = figures.dots([Series("identified", "observed", scores)], language_labels(forcing.languages), unit=_UNIT)
    caption = "How to read it: a row is the language that was asked for, a dot the share of texts in it."
    title = "Texts in the language that was asked for"
    return Figure("identified", title, caption, f"Dot plot. {sentence}", (Plot(spec, _table(forcing)),))


def _table(forcing: LanguageForcing) -> Table:
    codes = (*forcing.candidates, UNDECIDED)
    columns = [Column("language"), *score_columns("identified", _UNIT), *(Column(f"found {code}") for code in codes)]
    rows = [
        (language, *score_cells(score), *outcome)
        for (language, score), outcome in zip(forcing.scores.items(), forcing.outcomes.tolist(), strict=True)
    ]
    return Table.of("identified", "Texts by language asked for and language found", columns, rows)


def _line(forcing: LanguageForcing, language: str) -> str:
    counts = dict(zip((*forcing.candidates, UNDECIDED), forcing.outcomes[forcing.languages.index(language)].tolist()))
    listed = ", ".join(f"{code} {count}" for code, count in counts.items() if count)
    return f"{language}: {forcing.scores[language]} of {len(forcing.ids)} texts in it (found: {listed})"
