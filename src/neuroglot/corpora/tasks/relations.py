"""mParaRel's files: `patterns/<language>/<relation>.jsonl` and `tuples/<language>/<relation>.jsonl`."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neuroglot.corpora.columns import Column, place
from neuroglot.corpora.folders import inside, names_in
from neuroglot.corpora.languages import choose
from neuroglot.corpora.readers import string
from neuroglot.corpora.tables import Table, read_jsonl
from neuroglot.corpora.tasks.phrasing import has_spaces
from neuroglot.errors import ConfigError, CorpusError

SUBJECT, OBJECT = "[X]", "[Y]"
FIELDS = ("sub_uri", "obj_uri", "sub_label", "obj_label")


@dataclass(frozen=True)
class Facts:
    """One relation's facts in one language, by line; `lineid` names a fact in all languages."""

    origin: str
    ids: Sequence[str]
    places: Sequence[int]
    fields: Mapping[str, Sequence[str]]

    def column(self, field: str) -> Column:
        return Column(self.origin, self.fields[field], self.places, self.ids)

    def by_id(self) -> dict[str, dict[str, str]]:
        return {row_id: {f: self.fields[f][row] for f in FIELDS} for row, row_id in enumerate(self.ids)}


@dataclass(frozen=True)
class Relation:
    """One relation in all languages; an opening is a pattern up to its object, None where no pattern ends in it."""

    name: str
    facts: Mapping[str, Facts]
    openings: Mapping[str, str | None]


def read_relations(
    folder: Path, languages: Sequence[str] | None, asked: Sequence[str] | None
) -> tuple[tuple[str, ...], Iterator[Relation]]:
    """The languages, and the relations that were asked for, else all, sorted; each is read when its turn comes.

    Raises `CorpusError` where a language or a relation lacks a file, and on what `read_jsonl` refuses.
    """
    patterns, tuples = (_language_folders(folder / part, languages) for part in ("patterns", "tuples"))
    odd = sorted(set(patterns) ^ set(tuples))
    if odd:
        raise CorpusError(
            f"{folder} has only patterns or only tuples in {', '.join(odd)}.",
            "Every language needs both.",
            "Add what is missing, or say which languages to take with languages=[...].",
        )
    names = _names([*patterns.values(), *tuples.values()], asked)
    return tuple(tuples), (_read_relation(name, patterns, tuples) for name in names)


def _language_folders(folder: Path, languages: Sequence[str] | None) -> dict[str, Path]:
    names = {name: name for name in names_in(folder) if not name.startswith(".")}
    found = choose(names, languages, str(folder))
    if not found:
        raise CorpusError(f"{folder} is empty.", "Expected is a folder for each language, such as 'de'.")
    return {code: inside(folder, name) for code, name in found.items()}


def _names(folders: Sequence[Path], asked: Sequence[str] | None) -> list[str]:
    """The relations to read; raises `ConfigError` on an unknown one, `CorpusError` where a language lacks one."""
    files = {folder: {name for name in names_in(folder) if name.endswith(".jsonl")} for folder in folders}
    there = sorted({name.removesuffix(".jsonl") for names in files.values() for name in names})
    if isinstance(asked, str) or (asked is not None and (not asked or len(set(asked)) < len(asked))):
        raise ConfigError(f"relations={asked!r} was given.", "Expected is a list of names, such as ['P103'].")
    wanted = list(asked or there)
    unknown = [name for name in wanted if name not in there]
    if unknown or not wanted:
        raise ConfigError(
            f"The relations {', '.join(unknown) or 'of all files'} were asked for.",
            f"There are {', '.join(there) or 'none'}.",
        )
    for folder, names in files.items():
        missing = [name for name in wanted if f"{name}.jsonl" not in names]
        if missing:
            raise CorpusError(
                f"{folder} has no {missing[0]}.jsonl.",
                "Every language needs the patterns and the tuples of every relation.",
                "Add the file, or say which relations to take with relations=[...].",
            )
    return wanted


def _read_relation(name: str, patterns: Mapping[str, Path], tuples: Mapping[str, Path]) -> Relation:
    facts = {code: _read_facts(inside(folder, f"{name}.jsonl")) for code, folder in tuples.items()}
    openings = {code: _read_opening(inside(folder, f"{name}.jsonl"), code) for code, folder in patterns.items()}
    return Relation(name, facts, openings)


def _read_facts(path: Path) -> Facts:
    table = read_jsonl(path)
    ids = []
    for number, value in zip(table.places, _values(table, "lineid")):
        if type(value) is not int:
            raise CorpusError(
                f"{path}:{number}: 'lineid' is {str(value)[:40]!r}.", "Expected is the number that names the fact."
            )
        ids.append(str(value))
    return Facts(str(path), ids, table.places, {name: _texts(table, name) for name in FIELDS})


def _read_opening(path: Path, code: str) -> str | None:
    """The first pattern that ends in its object, up to there; None where none does."""
    found = (_opening(pattern, has_spaces(code)) for pattern in _texts(read_jsonl(path), "pattern"))
    return next((opening for opening in found if opening is not None), None)


def _opening(pattern: str, spaces: bool) -> str | None:
    """What stands before the object, where that comes last but for punctuation, and one subject stands before it.

    In a language with spaces one must stand before the object: to `l'[Y]` no answer with a space can be joined.
    """
    before, found, after = pattern.partition(OBJECT)
    ends = bool(found) and all(unicodedata.category(character)[0] in "PZ" for character in after)
    joined = not spaces or before != before.rstrip()
    return before.rstrip() if ends and joined and before.count(SUBJECT) == 1 else None


def _values(table: Table, name: str) -> list[object]:
    if name not in table.values:
        raise CorpusError(f"{table.origin} has no field {name!r}.", f"It has {', '.join(map(repr, table.values))}.")
    return list(table.values[name])


def _texts(table: Table, name: str) -> list[str]:
    places = (place(table.origin, table.unit, number) for number in table.places)
    return [string(value, name, where) for where, value in zip(places, _values(table, name))]
