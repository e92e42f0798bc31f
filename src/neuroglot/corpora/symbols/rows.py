"""Generated rows by form, and the corpus and the task that are made of them: forms are its languages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.symbols import data_forms, language_forms
from neuroglot.corpora.symbols.drawn import Draw, SymbolRow
from neuroglot.corpora.symbols.renaming import renamed
from neuroglot.errors import ConfigError, CorpusError

GENERATORS: Mapping[str, Draw] = {
    "x-pddl": language_forms.plans, "x-sql": data_forms.sql, "x-sexpr": data_forms.s_expressions,
    "x-sparql": data_forms.sparql, "x-amr": language_forms.meanings, "x-triples": data_forms.triples,
    "x-top": language_forms.parses, "x-nlmaps": data_forms.map_queries, "x-scan": language_forms.commands,
    "x-regex": language_forms.patterns, "x-fol": language_forms.formulas, "x-scene": data_forms.scenes,
    "x-geometry": language_forms.diagrams, "x-maths": language_forms.sums, "x-smiles": language_forms.molecules,
}  # fmt: skip
_SENTENCES = "en"  # the language of what is said, beside the forms
_ROWS = 200
_MISSES = 2_000  # draws without a new row, after which there are no more
_HELD_OUT = 64  # of 256 hash values: the share of rows that are held out
_ANY_ORDER = frozenset({"x-pddl", "x-sexpr", "x-sparql", "x-triples", "x-nlmaps", "x-regex", "x-fol", "x-scene",
                        "x-geometry"})  # fmt: skip
_LICENCE = "Apache-2.0"
_COLUMNS: Mapping[str, Callable[[SymbolRow], str]] = {
    "prompt": lambda row: row.prompt,
    "sentence": lambda row: row.input,
}
UNPAIRED = "Rows of different forms say different things: they are paired by their number alone."
_NAMED = re.compile(r"symbols(-renamed)?(?::([1-9]\d{0,5}))?")


@dataclass(frozen=True)
class SymbolSource:
    """What the name `symbols`, `symbols:1000`, `symbols-renamed` or `symbols-renamed:1000` stands for."""

    renames: bool
    rows: int

    @property
    def name(self) -> str:
        return "symbols-renamed" if self.renames else "symbols"


def symbol_source(name: str) -> SymbolSource | None:
    """What is named, or None for any other name."""
    match = _NAMED.fullmatch(name)
    return None if match is None else SymbolSource(bool(match[1]), int(match[2] or _ROWS))


def symbol_rows(form: str, rows: int, seed: int = 0, held_out: bool = True, renames: bool = False) -> list[SymbolRow]:
    """So many rows of a form with different answers, by a hash either all held out or all not: that of the answer's
    parts without their order where it says nothing, so that no training row means what a held-out one does.

    Raises `CorpusError` for a form without a generator, and where there are not so many rows.
    """
    if form not in GENERATORS:
        raise CorpusError(f"There are no rows of {form!r}.", f"Expected one of {', '.join(GENERATORS)}.")
    rng = Random(f"{seed}/{held_out}/{form}")
    by_answer: dict[str, SymbolRow] = {}
    misses = 0
    while len(by_answer) < rows:
        row = GENERATORS[form](rng)
        is_new = _is_held_out(form, row) == held_out and row.answer not in by_answer
        misses = 0 if is_new else misses + 1
        if is_new:
            by_answer[row.answer] = row
        if misses == _MISSES:
            raise CorpusError(f"{rows} rows of {form!r} were asked for.", f"Expected at most {len(by_answer)}.")
    drawn = list(by_answer.values())
    return [renamed(row, rng)[0] for row in drawn] if renames else drawn


def _is_held_out(form: str, row: SymbolRow) -> bool:
    return hashlib.sha256(f"{form} {_apart(form, row.answer)}".encode()).digest()[0] < _HELD_OUT


def _apart(form: str, answer: str) -> str:
    """What equal answers share: the words in any order, or a chain of atoms from either end."""
    if form == "x-smiles":
        atoms = re.findall(r"C(?:\(\w+\))?", answer)
        return "".join(min(atoms, atoms[::-1]))
    return " ".join(sorted(re.findall(r"\w+|[^\w\s]", answer))) if form in _ANY_ORDER else answer


def _columns(
    source: SymbolSource, forms: Sequence[str] | None, seed: int, held_out: bool
) -> dict[str, list[SymbolRow]]:
    chosen = [*GENERATORS] if forms is None else list(forms)
    return {form: symbol_rows(form, source.rows, seed, held_out, source.renames) for form in chosen}


def _ids(rows: int, held_out: bool) -> tuple[str, ...]:
    return tuple(f"{'held-out' if held_out else 'train'}-{row}" for row in range(rows))


def symbol_corpus(
    source: SymbolSource,
    forms: Sequence[str] | None = None,
    seed: int = 0,
    held_out: bool = True,
    column: str | None = None,
) -> Corpus:
    """The answers by form, or with a `column` the prompts or sentences to which they are the answers.

    Among answers, `en` has sentences of the forms in turn, if it is asked for or all are. Raises `CorpusError` for a
    form without a generator, and `ConfigError` for another column.
    """
    if column not in (None, *_COLUMNS):
        raise ConfigError(f"Column {column!r} was asked of {source.name!r}.", f"Expected {' or '.join(_COLUMNS)}.")
    if column is not None:
        columns = _columns(source, forms, seed, held_out)
        asked = {form: tuple(_COLUMNS[column](row) for row in rows) for form, rows in columns.items()}
        return Corpus(source.name, _ids(source.rows, held_out), asked, _LICENCE, remarks=(UNPAIRED,))
    wanted = [_SENTENCES, *GENERATORS] if forms is None else list(forms)
    columns = _columns(source, [form for form in wanted if form != _SENTENCES], seed, held_out)
    texts = {form: tuple(row.answer for row in rows) for form, rows in columns.items()}
    if _SENTENCES in wanted:
        every = list(_columns(source, None, seed, held_out).values())
        texts[_SENTENCES] = tuple(every[row % len(every)][row].input for row in range(source.rows))
    ordered = {form: texts[form] for form in wanted}
    return Corpus(source.name, _ids(source.rows, held_out), ordered, _LICENCE, remarks=(UNPAIRED,))


def symbol_task(source: SymbolSource, forms: Sequence[str] | None = None, seed: int = 0, held_out: bool = True) -> Task:
    """Prompts and answers by form; an answer begins with a space."""
    columns = _columns(source, forms, seed, held_out)
    prompts = {form: tuple(row.prompt for row in rows) for form, rows in columns.items()}
    answers = {form: tuple(f" {row.answer}" for row in rows) for form, rows in columns.items()}
    ids = _ids(source.rows, held_out)
    return Task(
        source.name,
        Corpus(f"{source.name}/prompts", ids, prompts, _LICENCE, remarks=(UNPAIRED,)),
        Corpus(f"{source.name}/answers", ids, answers, _LICENCE),
    )
