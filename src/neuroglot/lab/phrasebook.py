"""Phrasebook: what the lab's generator needs to speak one language; the tables themselves are in `lab/languages/`.

Position i of a table means the same in every language (read it beside `languages/en.py`). Slots are filled without
inflecting anything: a phrase stands in one fixed form, and values of CLDR stand after a colon or in the nominative.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from neuroglot.errors import ConfigError


def words(block: str) -> tuple[str, ...]:
    """The words of a block of text: a table of single words."""
    return tuple(block.split())


SIZES = {"subjects": 14, "predicates": 24, "adverbials": 12, "clauses": 24, "things": 14, "places": 10, "names": 12}
SENTENCES = frozenset(
    words("narrative both but says located name today meeting country price weather weight ago number sum list")
)
_QUESTIONS = frozenset(words("iso_date number greater counting currency sum translation"))
FEMININE_SUBJECTS = frozenset({2, 4, 6, 8, 11})  # positions in `subjects`: sister, girl, mother, old woman, daughter


@dataclass(frozen=True)
class Phrasebook:
    """Phrases and templates of one language, written for this package.

    `predicates` are in the third person singular, masculine where a language tells gender apart; `feminine` is then the
    (pattern, replacement) that makes them feminine. A predicate with `|` is cut there into `{verb}` and `{rest}`, for
    languages in which the subject stands between them.
    """

    code: str
    subjects: tuple[str, ...]
    predicates: tuple[str, ...]
    adverbials: tuple[str, ...]
    clauses: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]
    names: tuple[str, ...]
    templates: Mapping[str, str]
    questions: Mapping[str, str]
    joiner: str = " "  # between the sentences of a document
    comma: str = ", "  # between numbers that are counted
    feminine: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        got = {field.name: len(getattr(self, field.name)) for field in fields(self) if field.name in SIZES}
        if got != SIZES or self.templates.keys() != SENTENCES or self.questions.keys() != _QUESTIONS:
            raise ConfigError(
                f"The phrasebook of {self.code!r} has tables of sizes {got}, templates {sorted(self.templates)} and "
                f"questions {sorted(self.questions)}.",
                f"Sizes {SIZES}, templates {sorted(SENTENCES)} and questions {sorted(_QUESTIONS)} are needed.",
            )

    def narrative(self, subject: int, predicate: int, adverbial: int) -> str:
        """The sentence 'adverbial, subject predicate', with the verb in the subject's gender."""
        verb, _, rest = self._agreeing(self.predicates[predicate], subject).partition("|")
        return self.templates["narrative"].format(
            adverb=self.adverbials[adverbial], subject=self.subjects[subject], verb=verb, rest=rest, predicate=verb
        )

    def says(self, subject: int, clause: int) -> str:
        """The sentence 'subject says: clause', with the verb in the subject's gender."""
        template, speaker = self.templates["says"], self.subjects[subject]
        head, _, tail = template.partition("{subject}")
        return head + speaker + self._agreeing(tail, subject).format(clause=self.clauses[clause])

    def _agreeing(self, verb_phrase: str, subject: int) -> str:
        if self.feminine and subject in FEMININE_SUBJECTS:
            return re.sub(*self.feminine, verb_phrase)
        return verb_phrase


def lines(block: str) -> tuple[str, ...]:
    """The non-empty lines of a block of text, stripped: a table with one phrase a line."""
    return tuple(line.strip() for line in block.splitlines() if line.strip())


def table(block: str) -> dict[str, str]:
    """A table with one `key = template` a line."""
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines(block))}
