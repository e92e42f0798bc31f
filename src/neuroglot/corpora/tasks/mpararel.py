"""mParaRel as a task: facts of subject, relation and object, asked for with one pattern a language.

The files are read into `Relation`s, rows that a language lacks or whose pattern does not end in the object are left
out by reason, and wrong options are the same entities in every language, drawn by a hash of the row's id.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.columns import OnMissing, TextColumn, place
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.languages import choose
from neuroglot.corpora.loading import inside, names_in
from neuroglot.corpora.readers import string
from neuroglot.corpora.tables import RawTable, read_jsonl
from neuroglot.corpora.tasks.phrasing import has_spaces
from neuroglot.corpora.tasks.rows import LACKED, align_fields, build
from neuroglot.errors import ConfigError, CorpusError


@dataclass(frozen=True)
class Objects:
    """The objects of one relation that every language names: `labels[entity][language]`, and the right ones by
    subject.
    """

    labels: Mapping[str, Mapping[str, str]]
    right: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, facts: "Mapping[str, Facts]") -> "Objects":
        """From all facts of the relation, also those that not every language has."""
        labels: dict[str, dict[str, str]] = {}
        right: dict[str, set[str]] = {}
        for language, of_language in facts.items():
            fields = of_language.fields
            for subject, entity, label in zip(fields["sub_uri"], fields["obj_uri"], fields["obj_label"]):
                right.setdefault(subject, set()).add(entity)
                if not is_blank(label):
                    labels.setdefault(entity, {}).setdefault(language, label)
        named = {entity: by_language for entity, by_language in labels.items() if len(by_language) == len(facts)}
        return cls(named, {subject: frozenset(entities) for subject, entities in right.items()})

    def choose(
        self, row_id: str, subject: str, answers: Mapping[str, str], answer: str, wrong: int
    ) -> list[Mapping[str, str]] | None:
        """The options of a row, `answers` among them, each by language; None where there are not enough.

        Entities are drawn and put in order by the hash of row and entity, so that a row keeps its options when other
        rows or relations are read, and the right one stands anywhere. Never drawn are other right objects of the
        subject (a country with two official languages), or ones with a name that is taken in some language (Cambridge
        and Cambridge).
        """
        chosen: dict[str, Mapping[str, str]] = {answer: answers}
        known = self.right.get(subject, frozenset())
        for entity in sorted(self.labels, key=lambda entity: _draw("draw", row_id, entity)):
            if len(chosen) > wrong:
                break
            if entity not in known and not any(_collide(self.labels[entity], other) for other in chosen.values()):
                chosen[entity] = self.labels[entity]
        if len(chosen) <= wrong:
            return None
        return [chosen[entity] for entity in sorted(chosen, key=lambda entity: _draw("order", row_id, entity))]


def _collide(labels: Mapping[str, str], others: Mapping[str, str]) -> bool:
    return any(labels[g].strip().casefold() == others[g].strip().casefold() for g in labels)


def _draw(purpose: str, row_id: str, entity: str) -> bytes:
    return hashlib.sha256(f"{purpose} {row_id} {entity}".encode()).digest()


SUBJECT, _OBJECT = "[X]", "[Y]"
FACT_FIELDS = ("sub_uri", "obj_uri", "sub_label", "obj_label")


@dataclass(frozen=True)
class Facts:
    """One relation's facts in one language, by line; `lineid` names a fact in all languages."""

    origin: str
    ids: Sequence[str]
    places: Sequence[int]
    fields: Mapping[str, Sequence[str]]

    def column(self, field: str) -> TextColumn:
        return TextColumn(self.origin, self.fields[field], self.places, self.ids)

    def by_id(self) -> dict[str, dict[str, str]]:
        return {row_id: {f: self.fields[f][row] for f in FACT_FIELDS} for row, row_id in enumerate(self.ids)}


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
        raise CorpusError(f"{folder} is empty.", "Expected a folder for each language, such as 'de'.")
    return {code: inside(folder, name) for code, name in found.items()}


def _names(folders: Sequence[Path], asked: Sequence[str] | None) -> list[str]:
    """The relations to read; raises `ConfigError` on an unknown one, `CorpusError` where a language lacks one."""
    files = {folder: {name for name in names_in(folder) if name.endswith(".jsonl")} for folder in folders}
    there = sorted({name.removesuffix(".jsonl") for names in files.values() for name in names})
    if isinstance(asked, str) or (asked is not None and (not asked or len(set(asked)) < len(asked))):
        raise ConfigError(f"relations={asked!r} was given.", "Expected a list of names, such as ['P103'].")
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
                f"{path}:{number}: 'lineid' is {str(value)[:40]!r}.", "Expected the number that names the fact."
            )
        ids.append(str(value))
    return Facts(str(path), ids, table.places, {name: _texts(table, name) for name in FACT_FIELDS})


def _read_opening(path: Path, code: str) -> str | None:
    """The first pattern that ends in its object, up to there; None where none does."""
    found = (_opening(pattern, has_spaces(code)) for pattern in _texts(read_jsonl(path), "pattern"))
    return next((opening for opening in found if opening is not None), None)


def _opening(pattern: str, spaces: bool) -> str | None:
    """What stands before the object, where that comes last but for punctuation, and one subject stands before it.

    In a language with spaces one must stand before the object: to `l'[Y]` no answer with a space can be joined.
    """
    before, found, after = pattern.partition(_OBJECT)
    ends = bool(found) and all(unicodedata.category(character)[0] in "PZ" for character in after)
    joined = not spaces or before != before.rstrip()
    return before.rstrip() if ends and joined and before.count(SUBJECT) == 1 else None


def _values(table: RawTable, name: str) -> list[object]:
    if name not in table.values:
        raise CorpusError(f"{table.origin} has no field {name!r}.", f"It has {', '.join(map(repr, table.values))}.")
    return list(table.values[name])


def _texts(table: RawTable, name: str) -> list[str]:
    places = (place(table.origin, table.unit, number) for number in table.places)
    return [string(value, name, partial(str, where)) for where, value in zip(places, _values(table, name))]


DISAGREE = "the languages name different facts"
FEW_OPTIONS = "too few other objects to choose from"
NO_PATTERN = "relation {relation}: no pattern in {languages} ends in the object"


@dataclass(frozen=True)
class Row:
    """One fact: prompt, answer and options by language."""

    row_id: str
    prompts: Mapping[str, str]
    answers: Mapping[str, str]
    options: Sequence[Mapping[str, str]]


def read_facts(
    folder: Path,
    languages: Sequence[str] | None,
    on_missing: OnMissing,
    relations: Sequence[str] | None = None,
    distractors: int = 3,
) -> Task:
    """Rows are facts, with ids such as `P103/17`: relation and `lineid`.

    The prompt is the first pattern that ends in the object, punctuation aside, up to there. Left out and counted are a
    relation without such a pattern in some language, facts whose entities differ between languages, and facts for
    which the relation has too few wrong options. `on_missing` is for facts that a language does not have at all.
    """
    if isinstance(distractors, bool) or not isinstance(distractors, int) or distractors < 0:
        raise ConfigError(f"distractors={distractors!r} was given.", "Expected a number of options, 0 or more.")
    codes, of_relations = read_relations(folder, languages, relations)
    dropped: Counter[str] = Counter()
    rows = [row for relation in of_relations for row in _rows(relation, on_missing, distractors, dropped)]
    options = [{g: [row.options[n][g] for row in rows] for g in codes} for n in range(distractors + bool(distractors))]
    prompts = {g: [row.prompts[g] for row in rows] for g in codes}
    answers = {g: [row.answers[g] for row in rows] for g in codes}
    return build("mpararel", "unknown", [row.row_id for row in rows], prompts, answers, options, dropped)


def _rows(relation: Relation, on_missing: OnMissing, distractors: int, dropped: Counter[str]) -> list[Row]:
    """The rows of one relation; counts in `dropped` those that were left out."""
    every_id = {row_id for facts in relation.facts.values() for row_id in facts.ids}
    if reason := _why_not(relation, every_id, on_missing):
        dropped[reason] += len(every_id)
        return []
    columns = {f: {g: facts.column(f) for g, facts in relation.facts.items()} for f in ("sub_label", "obj_label")}
    aligned = align_fields(columns, on_missing)
    dropped[LACKED] += aligned.lacked
    objects, by_id = Objects.of(relation.facts), {g: facts.by_id() for g, facts in relation.facts.items()}
    rows = []
    for row_id in aligned.ids:
        made = _row(relation, row_id, {g: facts[row_id] for g, facts in by_id.items()}, objects, distractors)
        if isinstance(made, Row):
            rows.append(made)
        else:
            dropped[made] += 1
    return rows


def _why_not(relation: Relation, every_id: set[str], on_missing: OnMissing) -> str:
    """Why a whole relation is left out; empty where it is not."""
    lacking = [language for language, opening in relation.openings.items() if opening is None]
    if lacking:
        return NO_PATTERN.format(relation=relation.name, languages=", ".join(lacking))
    shared = every_id.intersection(*(facts.ids for facts in relation.facts.values()))
    return LACKED if on_missing == "drop" and not shared else ""


def _row(
    relation: Relation, row_id: str, fact: Mapping[str, Mapping[str, str]], objects: Objects, distractors: int
) -> Row | str:
    """The row of one fact, or why it is left out."""
    entities = {(fields["sub_uri"], fields["obj_uri"]) for fields in fact.values()}
    if len(entities) > 1:
        return DISAGREE
    subject, entity = entities.pop()
    name, options = f"{relation.name}/{row_id}", None
    answers = {g: fields["obj_label"] for g, fields in fact.items()}
    if distractors:
        options = objects.choose(name, subject, answers, entity, distractors)
        if options is None:
            return FEW_OPTIONS
    prompts = {
        g: opening.replace(SUBJECT, fact[g]["sub_label"].strip())
        for g, opening in relation.openings.items()
        if opening is not None
    }
    return Row(name, prompts, answers, options or ())
