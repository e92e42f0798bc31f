"""Directed: parallel rows read in directions of translation; what a translation model is recorded and scored on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import PIVOT, Direction, as_direction, directions_of
from neuroglot.errors import ConfigError

ARROW = " ⟶ "


@dataclass(frozen=True)
class Directed:
    """R rows of a `corpus` in G `directions`: it stands where a corpus stands, and its languages are the directions.

    A text is a source with its translation. `tags` names the tokenizer's token of a language whose code does not tell.
    The hash is that of the corpus, because the rows are the same, whichever way they are read. Raises `ConfigError` for
    no direction, for one that is named twice or cannot be read back from its text, and `CorpusError` for a language
    that the corpus lacks.
    """

    corpus: Corpus
    directions: tuple[Direction, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        directions = tuple(map(as_direction, self.directions))
        object.__setattr__(self, "directions", directions)
        object.__setattr__(self, "tags", MappingProxyType(dict(self.tags)))
        if not directions or len(set(directions)) != len(directions):
            raise ConfigError(f"Got the directions {', '.join(self.languages)}.", "Expected one or more, each once.")
        for direction in directions:
            self.corpus.select([direction.source, direction.target])  # refuses a language that it lacks
            as_direction(str(direction))  # refuses names that cannot be read back

    @classmethod
    def around(cls, corpus: Corpus, pivot: str = PIVOT) -> Directed:
        """Out of the pivot into every other language of the corpus, and back; raises `ConfigError` without a pivot."""
        return cls(corpus, directions_of(corpus.languages, pivot))

    def __len__(self) -> int:
        return len(self.corpus)

    @property
    def name(self) -> str:
        return self.corpus.name

    @property
    def ids(self) -> Sequence[str]:
        return self.corpus.ids

    @property
    def hash(self) -> str:
        return self.corpus.hash

    @property
    def dropped(self) -> int:
        return self.corpus.dropped

    @property
    def remarks(self) -> tuple[str, ...]:
        return self.corpus.remarks

    @property
    def distinct(self) -> tuple[int, ...]:
        """As of the corpus: rows with the same number share a text."""
        return self.corpus.distinct

    @property
    def languages(self) -> tuple[str, ...]:
        """The directions as text, such as `en-de`."""
        return tuple(map(str, self.directions))

    @property
    def texts(self) -> Mapping[str, tuple[str, ...]]:
        """Each source with its translation, to be shown: `Hello ⟶ Hallo`."""
        return {str(direction): tuple(map(ARROW.join, self.pairs(direction))) for direction in self.directions}

    def pairs(self, direction: Direction) -> list[tuple[str, str]]:
        """Source and target of each row."""
        texts = self.corpus.texts
        return list(zip(texts[direction.source], texts[direction.target], strict=True))

    @property
    def sides(self) -> list[Sequence[str]]:
        """The columns that are read: the source and the target of each direction."""
        texts = self.corpus.texts
        return [texts[code] for direction in self.directions for code in (direction.source, direction.target)]

    def select(self, languages: Sequence[str]) -> Directed:
        """The same rows in fewer directions, in the order given; raises `ConfigError` for one that is not there."""
        by_name = dict(zip(self.languages, self.directions, strict=True))
        if missing := [name for name in languages if name not in by_name]:
            raise ConfigError(
                f"The direction {missing[0]!r} was asked of corpus {self.name!r}.",
                f"Expected some of {', '.join(self.languages)}.",
            )
        return replace(self, directions=tuple(by_name[name] for name in languages))

    def take(self, rows: Iterable[int]) -> Directed:
        """The rows at these positions, in this order, in every direction."""
        return replace(self, corpus=self.corpus.take(rows))

    def head(self, limit: int | None = None) -> Directed:
        """The first rows, at most `limit` of them, or all; raises `ConfigError` for a limit below 1."""
        return replace(self, corpus=self.corpus.head(limit))

    def split(self, share: float, seed: int = 0) -> tuple[Directed, Directed]:
        """Two disjoint parts of the rows, those that `Corpus.split` makes."""
        first, second = self.corpus.split(share, seed)
        return replace(self, corpus=first), replace(self, corpus=second)


Parallel = Corpus | Directed  # what is compared language by language, or direction by direction
