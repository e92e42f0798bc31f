"""Corpus: rows of parallel text, one id and one text per language; aligned by construction or refused.

And Task: a corpus of prompts, one of right answers, and, for a multiple choice, one for each option.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.columns import first_repeated
from neuroglot.corpora.stored import Stored, taken
from neuroglot.corpora.storing import kept_hash
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.showing import Described, known_facts

HASHED_AT_ONCE = 4096  # texts
Documents = tuple[Sequence[str], ...]  # columns of names, one for each side of a pair
OPTIONS = "Correct the options, or leave the row out."


@dataclass(frozen=True, repr=False)
class Corpus(Described):
    """R parallel rows in G languages: `texts[language][r]` says the same as `texts[other][r]`.

    Raises `CorpusError` where rows are not parallel: a language with fewer or more texts than there are ids, a
    duplicate id, an empty text, no language. Language keys are the caller's; the readers check that they are language
    codes. Ids and texts are tuples, or columns on disk (`Stored`), which were checked when they were read.
    """

    name: str
    ids: Sequence[str]
    texts: Mapping[str, Sequence[str]]
    licence: str = "unknown"
    dropped: int = 0  # rows that the reader left out because a language lacked them
    remarks: tuple[str, ...] = ()  # what else was left out, in sentences
    documents: Documents = ()  # of which documents each row is; empty where nothing says so

    def __post_init__(self) -> None:
        texts = {language: _held(column) for language, column in self.texts.items()}
        object.__setattr__(self, "ids", _held(self.ids))
        object.__setattr__(self, "texts", MappingProxyType(texts))
        self._check_shape()
        self._check_rows()

    def _facts(self) -> list[str]:
        return [*known_facts(self), f"licence {self.licence}"]

    def _check_shape(self) -> None:
        if not self.texts or not self.ids:
            raise CorpusError(
                f"Corpus {self.name!r} has {len(self.ids)} rows and {len(self.texts)} languages.",
                "At least one of each is needed.",
            )
        if any(len(column) != len(self.ids) for column in self.documents):
            raise CorpusError(
                f"Corpus {self.name!r} has {len(self.ids)} rows.", "Expected documents of as many (documents=)."
            )
        for language, column in self.texts.items():
            if len(column) != len(self.ids):
                raise CorpusError(
                    f"Corpus {self.name!r} has {len(column)} texts in {language!r} for {len(self.ids)} row ids.",
                    "Every language needs one text a row.",
                )

    def _check_rows(self) -> None:
        if not isinstance(self.ids, Stored) and (twice := first_repeated(self.ids)):
            raise CorpusError(
                f"Corpus {self.name!r} has the id {self.ids[twice[0]]!r} in rows {twice[0] + 1} and {twice[1] + 1}.",
                "Ids must be unique: they are the unit of all intervals.",
            )
        for language, column in self.texts.items():
            for row, text in enumerate(() if isinstance(column, Stored) else column):
                if is_blank(text):
                    raise CorpusError(
                        f"Corpus {self.name!r} has no text in {language!r}, row {row + 1} (id {self.ids[row]!r}).",
                        "Every language needs a text in every row.",
                    )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.texts)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of ids, languages and texts, the first 16 hex digits; the name and the licence do not enter."""
        return kept_hash([self.ids, *self.texts.values()], self.languages, self._hash)

    def _hash(self) -> str:
        """That of `json.dumps([ids, [[language, texts], ...]])`, a part at a time."""
        digest = hashlib.sha256()
        for part in self._as_json():
            digest.update(part.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]

    def _as_json(self) -> Iterator[str]:
        yield "["
        yield from _json_list(self.ids)
        for place, (language, column) in enumerate(self.texts.items()):
            yield f"{',' if place else ',['}[{json.dumps(language, ensure_ascii=False)},"
            yield from _json_list(column)
            yield "]"
        yield "]]"

    def select(self, languages: Sequence[str]) -> "Corpus":
        """The same rows in fewer languages, in the order given; raises `CorpusError` on a language it lacks."""
        missing = [language for language in languages if language not in self.texts]
        if missing or len(set(languages)) != len(languages):
            raise CorpusError(
                f"Languages {', '.join(map(repr, languages))} were asked of corpus {self.name!r}.",
                f"It has {', '.join(self.languages)}, each to be named once.",
            )
        return replace(self, texts={language: self.texts[language] for language in languages})

    def take(self, rows: Iterable[int]) -> "Corpus":
        """The rows at these positions, in this order, in every language; one taken again gets an id of its own."""
        rows = rows if isinstance(rows, range | np.ndarray) else list(rows)
        texts = {language: taken(column, rows) for language, column in self.texts.items()}
        ids = taken(self.ids, rows)
        is_stretch = isinstance(rows, range) and rows.step == 1 and isinstance(ids, Stored)
        ids = ids if is_stretch or first_repeated(ids) is None else _told_apart(ids)
        documents = tuple(tuple(taken(column, rows)) for column in self.documents)
        return replace(self, ids=ids, texts=texts, documents=documents)

    def head(self, limit: int | None = None) -> "Corpus":
        """The first rows, at most `limit` of them, or all; raises `ConfigError` for a limit below 1."""
        return self.take(_first(len(self), limit))

    @property
    def distinct(self) -> tuple[int, ...]:
        """For each row the number of the first row that shares a text with it, in any languages, directly or through
        other rows: rows with the same number are no independent evidence.
        """
        return tuple(self._groups().tolist())

    def _groups(self) -> NDArray[np.int64]:
        """`distinct [R]`."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        rows = len(self)
        first, second = _neighbours(list(self.texts.values()))
        shared = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(rows, rows))
        count, component = connected_components(shared, directed=False)
        lowest = np.full(count, rows, dtype=np.int64)
        np.minimum.at(lowest, component, np.arange(rows))
        return lowest[component]

    @property
    def duplicates(self) -> int:
        """How many rows repeat a text of an earlier row."""
        return len(self) - len(np.unique(self._groups()))

    def split(self, share: float, seed: int = 0) -> tuple["Corpus", "Corpus"]:
        """Two disjoint parts, the first with `share` of the rows, drawn with `seed`; both keep the corpus's row order.

        Rows that share a text stay together, so that parts of a corpus with duplicates may be a little uneven.
        """
        group_of = self._groups()
        groups = np.unique(group_of)
        first_size = round(share * len(groups))
        if not 0 < first_size < len(groups):
            raise CorpusError(
                f"Corpus {self.name!r} has {len(groups)} rows that share no text; a split at {share} leaves nothing.",
                "Both parts need at least one row, and rows that share a text stay together.",
                "Leave a language out whose texts repeat." if len(groups) < len(self) else "",
            )
        drawn = groups[random.Random(seed).sample(range(len(groups)), first_size)]
        chosen = np.isin(group_of, drawn)
        return self.take(np.flatnonzero(chosen)), self.take(np.flatnonzero(~chosen))


def _neighbours(columns: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of rows with the same text but for white space around it, in any two columns; by 64 bits of hash."""
    rows = len(columns[0])
    hashes = np.empty(len(columns) * rows, np.int64)
    for number, column in enumerate(columns):
        hashes[number * rows : (number + 1) * rows] = np.fromiter(map(hash, map(str.strip, column)), np.int64, rows)
    order = np.argsort(hashes, kind="stable")
    same = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]])
    return order[same] % rows, order[same + 1] % rows


def _held(column: Sequence[str]) -> Sequence[str]:
    return column if isinstance(column, Stored) else tuple(column)


def _json_list(texts: Sequence[str]) -> Iterator[str]:
    """A list of texts as JSON, in parts."""
    values = iter(texts)
    start = "["
    while part := list(islice(values, HASHED_AT_ONCE)):
        yield start + json.dumps(part, ensure_ascii=False, separators=(",", ":"))[1:-1]
        start = ","
    yield "]"


@dataclass(frozen=True, repr=False)
class Task(Described):
    """Questions with one right answer a row and language: corpora with the same ids and languages.

    The model reads `prompts.texts[g][r] + answers.texts[g][r]`; the answer is right when the model ranks each of its
    tokens first. Where there are `options`, option j of row r is `options[j].texts[g][r]`: the options of a row differ,
    the answer is one of them, and it is the same one in every language. `dropped` says by reason how many rows the
    reader left out, `answers_in` the language of all answers where it is not that of the row. Raises `CorpusError`
    where the corpora are not aligned or the options not as said.
    """

    name: str
    prompts: Corpus
    answers: Corpus
    options: tuple[Corpus, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    answers_in: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        object.__setattr__(self, "dropped", MappingProxyType(dict(self.dropped)))
        if any(part.ids != self.ids or part.languages != self.languages for part in self._parts()):
            raise CorpusError(
                f"Task {self.name!r} has prompts, answers or options with different ids or languages.",
                "All its corpora must list the same ids and the same languages in the same order.",
            )
        if len(self.options) == 1:
            raise CorpusError(
                f"Task {self.name!r} has one option a row.", "Expected none, or two or more to choose from."
            )
        for row in range(len(self) if self.options else 0):
            self._check_options(row)

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def ids(self) -> Sequence[str]:
        return self.prompts.ids

    @property
    def languages(self) -> tuple[str, ...]:
        return self.prompts.languages

    @property
    def hash(self) -> str:
        """SHA-256 of the hashes of prompts, answers and options, the first 16 hex digits."""
        return hashlib.sha256(" ".join(part.hash for part in self._parts()).encode()).hexdigest()[:16]

    @property
    def distinct(self) -> tuple[int, ...]:
        """For each question the number of the first one that is the same, prompt and answer, in some language."""
        both = zip(self.prompts.texts.items(), self.answers.texts.values(), strict=True)
        texts = {
            language: tuple(map("\n".join, zip(prompts, answers, strict=True))) for (language, prompts), answers in both
        }
        return replace(self.prompts, texts=texts).distinct

    @property
    def right(self) -> tuple[int, ...]:
        """Which option is the answer, for each row; empty where there are no options."""
        language = self.languages[0]
        rows = range(len(self) if self.options else 0)
        return tuple(self._options_of(language, row).index(self.answers.texts[language][row]) for row in rows)

    def select(self, languages: Sequence[str]) -> "Task":
        """The same questions in fewer languages; raises `CorpusError` on a language it lacks."""
        return self._with(part.select(languages) for part in self._parts())

    def take(self, rows: Iterable[int]) -> "Task":
        """The questions at these positions, in this order, in every language."""
        rows = rows if isinstance(rows, range | np.ndarray) else list(rows)
        return self._with(part.take(rows) for part in self._parts())

    def head(self, limit: int | None = None) -> "Task":
        """The first questions, at most `limit` of them, or all; raises `ConfigError` for a limit below 1."""
        return self.take(_first(len(self), limit))

    def split(self, share: float, seed: int = 0) -> tuple["Task", "Task"]:
        """Two disjoint parts of the rows, the same that `Corpus.split` makes of the prompts."""
        position = {row_id: row for row, row_id in enumerate(self.ids)}
        first, second = self.prompts.split(share, seed)
        return self.take(position[i] for i in first.ids), self.take(position[i] for i in second.ids)

    def _parts(self) -> tuple[Corpus, ...]:
        return self.prompts, self.answers, *self.options

    def _with(self, parts: Iterable[Corpus]) -> "Task":
        prompts, answers, *options = parts
        return replace(self, prompts=prompts, answers=answers, options=tuple(options))

    def _options_of(self, language: str, row: int) -> list[str]:
        return [option.texts[language][row] for option in self.options]

    def _check_options(self, row: int) -> None:
        places: dict[str, int] = {}
        for language in self.languages:
            where = f"In task {self.name!r}, {language!r}, row {row + 1} (id {self.ids[row]!r}),"
            options, answer = self._options_of(language, row), self.answers.texts[language][row]
            there = f"The options are {', '.join(map(repr, options))}."
            if len({option.strip() for option in options}) < len(options):
                raise CorpusError(f"{where} two options are the same. {there}", "Options must differ.", OPTIONS)
            if answer not in options:
                raise CorpusError(f"{where} the answer {answer!r} is no option.", there, OPTIONS)
            places[language] = options.index(answer)
        if len(set(places.values())) > 1:
            found = ", ".join(f"{place + 1} in {language!r}" for language, place in places.items())
            raise CorpusError(
                f"In task {self.name!r}, row {row + 1} (id {self.ids[row]!r}), the answer is option {found}.",
                "It must be the same option in every language.",
                "List the options in one order in all languages.",
            )


def _told_apart(ids: Sequence[str]) -> tuple[str, ...]:
    """Ids of which a repeated one says which time it is: `a`, `a, again 2`."""
    seen: Counter[str] = Counter()
    named = []
    for row_id in ids:
        seen[row_id] += 1
        named.append(row_id if seen[row_id] == 1 else f"{row_id}, again {seen[row_id]}")
    return tuple(named)


def require_limit(limit: int | None) -> None:
    """Raise `ConfigError` for a number of rows that leaves nothing to read, or is none."""
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise ConfigError(f"Got limit={limit!r}.", "Expected a number of rows, 1 or more, or None for all.")


def _first(rows: int, limit: int | None) -> range:
    require_limit(limit)
    return range(rows if limit is None else min(limit, rows))
