"""Inputs that say the same in several languages, one item a row; and the faults of files that hold translations.

Faults are found by what a line says (a failed request), by marks that cannot be seen, by the request that it answers,
and by its length; rows with one are left out in all languages and counted.
"""

import hashlib
import json
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.languages import language_code
from neuroglot.errors import CorpusError
from neuroglot.showing import Described, counted

Kind = Literal[
    "failed request", "over length", "empty line", "truncated", "misaligned",
    "invisible marks", "unequal line counts", "empty file", "absent file",
]  # fmt: skip
EXCLUDING: frozenset[Kind] = frozenset(("failed request", "over length", "empty line", "truncated", "misaligned"))


@dataclass(frozen=True)
class Fault:
    """What is wrong in one place: its kind, the file, the line (from 1; None for the file as a whole)."""

    kind: Kind
    file: str
    line: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.kind}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True)
class ParallelItem:
    """One input: `fields[field][column]` is its text, `references` its label or the right outputs.

    A column is a language (`"de"`), or another text in the same language, named after a number sign (`"de#2"`,
    `"de#from-es"`). Every field has the column `original`. `options` are what a multiple choice chooses from.
    """

    id: str
    fields: Mapping[str, Mapping[str, str]]
    original: str
    references: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        frozen = {name: MappingProxyType(dict(columns)) for name, columns in self.fields.items()}
        object.__setattr__(self, "fields", MappingProxyType(frozen))
        for name, columns in self.fields.items():
            if self.original not in columns or any(map(is_blank, columns.values())):
                raise CorpusError(
                    f"Item {self.id!r} has the columns {', '.join(columns) or 'none'} in its field {name!r}.",
                    f"Expected a text that is not empty in each, {self.original!r} among them.",
                )

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each field."""
        return {name: tuple(columns) for name, columns in self.fields.items()}


@dataclass(frozen=True, repr=False)
class ParallelInputs(Described):
    """Items with the same fields and columns; `task` names their prompt template.

    `faults` is all that was found wrong with the files, `excluded` the ids of the rows that are left out because of it:
    a row with a fault in one language is left out of every setting. Raises `CorpusError` where items differ in their
    columns, an id comes twice, a column is no language, or no item is left.
    """

    name: str
    task: str
    items: tuple[ParallelItem, ...]
    faults: tuple[Fault, ...] = ()
    excluded: tuple[str, ...] = ()
    licence: str = "unknown"
    fault_counts: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        object.__setattr__(self, "fault_counts", MappingProxyType(Counter(fault.kind for fault in self.faults)))
        if not self.items:
            raise CorpusError(
                f"No item of {self.name!r} is left ({len(self.excluded)} were left out).", "Expected at least one."
            )
        repeated = [row_id for row_id, times in Counter(item.id for item in self.items).items() if times > 1]
        unlike = [item.id for item in self.items if self._shape(item) != self._shape(self.items[0])]
        if repeated or unlike:
            what = f"has the id {repeated[0]!r} twice" if repeated else f"has other columns in item {unlike[0]!r}"
            raise CorpusError(f"{self.name!r} {what}.", "Expected items with ids of their own and equal columns.")
        for column in {column for columns in self.columns.values() for column in columns}:
            if language_code(language_of(column)) != language_of(column):
                raise CorpusError(
                    f"{self.name!r} has the column {column!r}.", f"Expected {language_code(language_of(column))!r}."
                )

    @staticmethod
    def _shape(item: ParallelItem) -> object:
        return item.original, item.columns

    def __len__(self) -> int:
        return len(self.items)

    def _facts(self) -> list[str]:
        return [self.name, self.task, counted(len(self.items), "row"), f"licence {self.licence}"]

    @property
    def original(self) -> str:
        return self.items[0].original

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each field, the same in every item."""
        return self.items[0].columns

    @property
    def hash(self) -> str:
        """SHA-256 of all items, the first 16 hex digits."""
        content = [
            [item.id, item.original, [[f, dict(c)] for f, c in item.fields.items()], item.references, item.options]
            for item in self.items
        ]
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def take(self, rows: Iterable[int]) -> "ParallelInputs":
        """The items at these positions, in this order."""
        return replace(self, items=tuple(self.items[row] for row in rows))


def language_of(column: str) -> str:
    """The language of a column: `"de#2"` is in `"de"`."""
    return column.partition("#")[0]


MARKERS: dict[str, Kind] = {"Request failed!!!": "failed request", "###over length!!!": "over length"}
REQUEST = re.compile(r".*Translate this into 1\. [^:\\]+:\\n(.*)\\n1\.\s*$")  # greedy: the last heading
INVISIBLE = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # marks of writing direction
SHORT = 40  # characters; the length of shorter translations varies too much to call one truncated


def marked(line: str) -> Kind | None:
    """The kind of a line that holds no text: empty, or a message of the program that asked for the translation."""
    return "empty line" if is_blank(line) else MARKERS.get(line.strip())


def requested(line: str) -> str:
    """The text that a request asks to translate: between the last heading and the open answer; '' where there is none.

    The heading is that of Hendy et al. 2023, newlines are written as backslash and n.
    """
    found = REQUEST.match(line)
    return found[1] if found else ""


def visible(text: str) -> str:
    """The text without invisible marks of writing direction, and without spaces at its ends."""
    return INVISIBLE.sub("", text).strip()


def places(requests: Sequence[str], sources: Sequence[str]) -> list[int]:
    """For each source the position of its request; where there are more requests than sources, others are skipped.

    A request is skipped only where a later one, within the surplus that is left, does ask for the source. Positions
    beyond the last request mean that there is none.
    """
    wanted, asked = [visible(text) for text in sources], [visible(text) for text in requests]
    surplus, place, found = max(0, len(asked) - len(wanted)), 0, []
    for text in wanted:
        window = asked[place : place + surplus + 1]
        skipped = window.index(text) if text in window else 0
        surplus, place = surplus - skipped, place + skipped
        found.append(place)
        place += 1
    return found


def truncated(sources: Sequence[str], translations: Sequence[str], below: float) -> list[int]:
    """Rows whose translation is shorter than `below` times what its source lets expect.

    Expected the source's length in characters times the median ratio of the shorter half of the rows: languages
    differ in it (German to Chinese 0.3), and a cap on the output cuts the long ones. Rows without a text are left out;
    translations expected to be shorter than `SHORT` are not judged. (The paper's data were checked with a ratio of 0.5
    of the source's length itself, which calls all Chinese translations truncated.)
    """
    usable = [row for row, text in enumerate(translations) if marked(text) is None and sources[row]]
    shorter = sorted(usable, key=lambda row: len(sources[row]))[: (len(usable) + 1) // 2]
    if not shorter:
        return []
    usual = statistics.median(len(translations[row]) / len(sources[row]) for row in shorter)
    expected = {row: usual * len(sources[row]) for row in usable}
    return [row for row in usable if expected[row] >= SHORT and len(translations[row]) < below * expected[row]]
