"""Which text a branched model is trained on, and which rows are held out: those of one corpus, or of another one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from neuroglot.recipes.options import OnCorpus, OnDirections, Positive, Seeded
from neuroglot.recipes.specialize_compare import LAB_ROWS
from neuroglot.recipes.translation_options import TestedRows

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus
    from neuroglot.corpora.language_centric import TrainingText
    from neuroglot.runs.identity import Identity


@dataclass(frozen=True, kw_only=True)
class TrainedOn(OnCorpus, OnDirections, TestedRows, Seeded):
    """Which text is trained on, and which rows are not."""

    heading: ClassVar[str] = "Texts"

    corpus: str = "lab"
    """Parallel text, or `lab`, whose documents are generated from the seed; with --held also a folder of text by pair
    of languages, such as train.de-en.de and train.de-en.en, or train.en-trg1.en with tagged lines (Lego-MT)."""

    held: str | None = None
    """Parallel text whose rows are held out, instead of rows of the corpus: those that flows are chosen on, and those
    that are translated. What is trained on has none of their texts."""

    stem: str | None = None
    """Of text by pair only the files whose names begin so, such as `train` of train.de-en.de."""

    languages: tuple[str, ...] = ("en", "de", "es", "fr", "sw")
    """Languages between which is translated."""

    limit: Positive | None = None
    """Read so many rows, the first ones (of text by pair of each pair); all by default. Of the lab so many are made,
    by default 4000."""

    validation_rows: Positive = 60
    """Rows on which the flow of each direction is chosen; they are not trained on."""

    def rows(self, identity: Identity) -> tuple[TrainingText, Corpus, Corpus]:
        """What is trained on, and rows to choose flows on and to translate, of whose texts it has none."""
        from neuroglot.corpora.language_centric import TrainingText, is_by_pair, is_one_pair
        from neuroglot.errors import ConfigError
        from neuroglot.experiments.specialization import ComparisonConfig, parts_of
        from neuroglot.recipes.reading import note_data

        by_pair = self.corpus != "lab" and is_by_pair(self.corpus)
        if self.stem is not None and not (by_pair and self.held):
            raise ConfigError(f"The stem {self.stem!r} was named.", "It is of files by pair, which need --held.")
        if self.held is not None:
            return self._beside(identity, self.held, by_pair)
        if by_pair and not is_one_pair(self.corpus):
            raise ConfigError(
                f"{self.corpus} has text by pair, whose rows differ from pair to pair.",
                "Expected rows that all languages have, to choose flows on and to translate.",
                "Name parallel text: --held flores.tsv.",
            )
        config = ComparisonConfig(
            self.corpus, self.languages, self.pivot, self.limit or LAB_ROWS, self.validation_rows, self.test_rows
        )
        parts = parts_of(config, self.seed, None if self.corpus == "lab" else self.load_corpus(identity))
        for name, part in zip(("train", "validation", "test"), parts, strict=True):
            note_data(identity, part, name)
        return TrainingText.of_rows(parts[0], self.directions_in(parts[0])), parts[1], parts[2]

    def _beside(self, identity: Identity, held: str, by_pair: bool) -> tuple[TrainingText, Corpus, Corpus]:
        """The corpus, or pairs of it, without the texts of rows that are held out from elsewhere."""
        from neuroglot import corpora
        from neuroglot.corpora.directions import as_direction
        from neuroglot.corpora.language_centric import TrainingText, read_pairs, without_texts
        from neuroglot.corpora.seen import text_hashes
        from neuroglot.errors import ConfigError
        from neuroglot.recipes.artefacts import corpus_source
        from neuroglot.recipes.reading import first_sound, note_data, part_of
        from neuroglot.signature import Signature

        if self.corpus == "lab" or (by_pair and self.column is not None):
            raise ConfigError(
                f"Rows were held out from {held} for {self.corpus}.",
                "Expected text of your own, and no --column of text by pair.",
            )
        whole = corpora.load(corpus_source(held), languages=self.languages, on_missing=self.on_missing)
        validation, test = _two_parts(whole, self.validation_rows, self.test_rows, self.seed)
        for name, part in {"validation": validation, "test": test}.items():
            note_data(identity, part, name)
        named = None if self.directions is None else tuple(map(as_direction, self.directions))
        if by_pair:
            pairs = read_pairs(self.corpus, self.stem)
            sound = {
                each: first_sound(part_of(self, rows), self.limit, self.suspicious) for each, rows in pairs.items()
            }
        else:
            rows = self.load_corpus(identity)
            sound = dict(TrainingText.of_rows(rows, named or self.directions_in(rows)).pairs)
        kept, left_out = without_texts(sound, text_hashes(validation) | text_hashes(test))
        train = TrainingText.of_pairs(Path(self.corpus).name, kept, self.languages, named)
        rows_read = sum(map(len, train.pairs.values()))
        identity.note("train", Signature.of(name=train.name, hash=train.hash, rows=rows_read))
        identity.remarks.append(f"{left_out:,} rows to train on have a text of the held-out rows, and are left out.")
        return train, validation, test


def _two_parts(rows: Corpus, validation: int, test: int, seed: int) -> tuple[Corpus, Corpus]:
    """So many rows to choose flows on, and so many others to translate, drawn with the seed."""
    from neuroglot.corpora.documents import deal
    from neuroglot.errors import ConfigError

    needed = validation + test
    if len(rows) < needed:
        raise ConfigError(f"{rows.name} has {len(rows)} rows.", f"Expected {needed} or more (--held).")
    if rows.documents:
        (first, second), _ = deal(rows, (validation, test), seed, all_held=True)
        return first, second
    part = rows if len(rows) == needed else rows.split(needed / len(rows), seed)[0]
    return part.split(validation / needed, seed)
