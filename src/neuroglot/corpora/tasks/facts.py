"""mParaRel as a task: facts of subject, relation and object, asked for with a pattern of each language."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neuroglot.corpora.columns import OnMissing
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.tasks.choices import Objects
from neuroglot.corpora.tasks.relations import SUBJECT, Relation, read_relations
from neuroglot.corpora.tasks.rows import LACKED, align_fields, build
from neuroglot.errors import ConfigError

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
        raise ConfigError(f"distractors={distractors!r} was given.", "Expected is a number of options, 0 or more.")
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
