"""Fertility: how many tokens the same text needs in each language, and what shortening would save."""

from __future__ import annotations

from neuroglot.metrics.fertility import Fertility
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, language_label, language_labels, number, percent, plural

WORTH_SAYING = 0.05  # a share of tokens that shortening leaves out


@section_of.register
def _(fertility: Fertility) -> Section:
    """Tokens of each language beside those of one, tokens per character and byte, and what can be left out."""
    sentence = f"{_relative_sentence(fertility)} {_saving_sentence(fertility)}"
    remarks = (
        "Special tokens are not counted. Characters are code points: a letter with its vowel sign is two.",
        "Shortening leaves out the token that begins most characters of several tokens, wherever the bytes behind it "
        "tell that it stood there; each half of the rows is shortened by the token that the other half has most.",
        INTERVALS,
    )
    return Section(
        key="fertility",
        title="Tokens by language",
        sentence=sentence,
        signature=fertility.signature,
        remarks=remarks,
        figures=(_figure(fertility, sentence),),
        summary=_summary(fertility),
    )


def _relative_sentence(fertility: Fertility) -> str:
    pivot = language_label(fertility.relative_to)
    others = {language: score for language, score in fertility.relative.items() if language != fertility.relative_to}
    if not others:
        return f"{pivot} needs {number(fertility.per_character[fertility.relative_to].value)} tokens a character."
    most, least = (pick(others, key=lambda language: others[language].value) for pick in (max, min))
    return (
        f"Of {plural(fertility.tokens.shape[0], 'row')}, {language_label(most)} needs "
        f"{number(others[most].value)} {bracketed(others[most])} times the tokens of {pivot}, "
        f"{language_label(least)} {number(others[least].value)} {bracketed(others[least])} times."
    )


def _saving_sentence(fertility: Fertility) -> str:
    saving = {language: score for language, score in fertility.saving.items() if score.value >= WORTH_SAYING}
    if not saving:
        return "Shortening would save next to nothing: hardly a character is split into bytes."
    best = max(saving, key=lambda language: saving[language].value)
    return (
        f"Shortening would leave out 5 % of the tokens or more in {plural(len(saving), 'language')}, most in "
        f"{language_label(best)}: {percent(saving[best].value)}."
    )


def _summary(fertility: Fertility) -> Table:
    columns = [
        Column("language"), Column(f"times {fertility.relative_to}'s tokens"), Column("tokens a character"),
        Column("saved by shortening"),
    ]  # fmt: skip
    rows = []
    for language, relative in fertility.relative.items():
        per_character, saving = fertility.per_character[language], fertility.saving[language]
        cells = [f"{number(score.value)} {bracketed(score)}".strip() for score in (relative, per_character)]
        rows.append((language, *cells, percent(saving.value)))
    return Table.of("fertility-in-short", "Tokens by language", columns, rows)


def _table(fertility: Fertility) -> Table:
    columns = [
        Column("language"), Column("tokens"), *score_columns("relative", f"tokens relative to {fertility.relative_to}"),
        *score_columns("per character", "tokens per character"), *score_columns("per byte", "tokens per byte"),
        Column("parts of characters", "share of tokens"), *score_columns("saved by shortening", "share of tokens"),
        Column("left out"),
    ]  # fmt: skip
    rows = [
        (
            language, int(fertility.tokens[:, index].sum()), *score_cells(fertility.relative[language]),
            *score_cells(fertility.per_character[language]), *score_cells(fertility.per_byte[language]),
            fertility.of_parts[language].value, *score_cells(fertility.saving[language]),
            " or ".join(fertility.leads[index]),
        )
        for index, language in enumerate(fertility.languages)
    ]  # fmt: skip
    return Table.of("fertility", "Tokens by language", columns, rows)


def _figure(fertility: Fertility, sentence: str) -> Figure:
    unit = f"tokens relative to {fertility.relative_to}"
    relative = list(fertility.relative.values())
    spec = figures.dots([Series("relative", "observed", relative)], language_labels(fertility.languages), unit=unit)
    caption = "How to read it: a row is a language, a dot how many times the tokens of the same text it needs."
    return Figure(
        "fertility", "Tokens of the same text", caption, f"Dot plot. {sentence}", (Plot(spec, _table(fertility)),)
    )
