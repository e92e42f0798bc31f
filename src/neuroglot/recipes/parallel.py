"""Options of recipes that read parallel text language by language, or direction by direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from neuroglot.recipes.options import OnCorpus, OnDirections

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus, Directed
    from neuroglot.models import Family
    from neuroglot.runs.identity import Identity


@dataclass(frozen=True, kw_only=True)
class Directable(OnDirections):
    """In which directions parallel text is read, if in any."""

    heading: ClassVar[str] = "Texts"

    directions: tuple[str, ...] | None = None
    """Read in directions of translation, such as `en-de de-en`. A translation model (Marian, M2M-100, NLLB, mBART, T5)
    is always read so: by default out of the pivot into every other language, and back."""

    tags: tuple[str, ...] = ()
    """The tokenizer's token of a language that it does not tell by itself, such as `zh=>>cmn<<`."""

    def is_directed(self, family: Family) -> bool:
        """Whether text is read in directions: they were asked for, or the model is one that is told languages."""
        from neuroglot.tokens.language_tokens import CONVENTIONS

        return self.directions is not None or (family.kind == "encoder-decoder" and family.model_type in CONVENTIONS)

    def languages_asked(self, languages: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The languages to read: those asked for, else those of the directions that are."""
        from neuroglot.corpora.directions import Direction

        if languages is not None or self.directions is None:
            return languages
        ends = [Direction.parse(text) for text in self.directions]
        return tuple(dict.fromkeys(code for direction in ends for code in (direction.source, direction.target)))

    def as_read_by(
        self, family: Family, rows: Corpus, identity: Identity, what: str = "directions"
    ) -> Corpus | Directed:
        """The rows as a model of this family reads them; which directions these are is noted, and said in the report.

        Raises `ConfigError` for tags without directions.
        """
        from neuroglot.corpora import Directed
        from neuroglot.errors import ConfigError
        from neuroglot.signature import Signature
        from neuroglot.tokens.language_tokens import parse_tags

        if not self.is_directed(family):
            if self.tags:
                raise ConfigError(
                    f"Tags of languages were given for a model of the type {family.model_type!r}.",
                    "Expected a translation model, or --directions.",
                )
            return rows
        directed = Directed(rows, self.directions_in(rows), parse_tags(self.tags))
        tags = ",".join(self.tags) or None
        identity.note(what, Signature.of(directions=",".join(directed.languages), tags=tags))
        identity.remarks.append(_said(directed))
        return directed


@dataclass(frozen=True, kw_only=True)
class OnParallel(Directable, OnCorpus):
    """Which parallel text is read, and how."""

    heading: ClassVar[str] = "Texts"

    def same_texts(self) -> list[str]:
        return [*super().same_texts(), *self.flags("directions", "pivot", "tags")]

    def load_parallel(
        self, identity: Identity, family: Family, languages: tuple[str, ...] | None = None
    ) -> Corpus | Directed:
        """The corpus in the languages that are asked for, as a model of this family reads it, noted."""
        rows = self.load_corpus(identity, languages or self.languages_asked(self.languages))
        return self.as_read_by(family, rows, identity)


def _said(directed: Directed) -> str:
    from neuroglot.reports.wording import joined, language_label

    named = joined([language_label(name) for name in directed.languages])
    return (
        f"{directed.name} was read in directions of translation, which stand for languages here: {named}. "
        "A loss is that of a translation, given its source."
    )
