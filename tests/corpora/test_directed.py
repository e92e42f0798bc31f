"""Directed: rows in directions, which stand where rows in languages do."""

import pytest

from neuroglot.corpora import Corpus, Directed, text_hashes
from neuroglot.corpora.directions import Direction
from neuroglot.corpora.seen import rows_with
from neuroglot.errors import ConfigError, CorpusError

CORPUS = Corpus(
    "three", ("a", "b", "c"),
    {"en": ("one", "two", "one"), "de": ("eins", "zwei", "noch eins"), "fr": ("un", "deux", "encore un")}, dropped=4,
)  # fmt: skip


def test_its_languages_are_directions_and_its_texts_sources_with_translations() -> None:
    directed = Directed(CORPUS, ("en-de", "fr-en"))  # type: ignore[arg-type]
    assert directed.directions == (Direction("en", "de"), Direction("fr", "en"))
    assert directed.languages == ("en-de", "fr-en")
    assert directed.texts["en-de"] == ("one ⟶ eins", "two ⟶ zwei", "one ⟶ noch eins")
    assert directed.pairs(Direction("fr", "en")) == [("un", "one"), ("deux", "two"), ("encore un", "one")]
    assert directed.sides == [CORPUS.texts[code] for code in ("en", "de", "fr", "en")]
    assert (directed.name, directed.ids, directed.dropped, len(directed)) == ("three", CORPUS.ids, 4, 3)
    assert directed.distinct == (0, 1, 0)  # "one" twice
    assert Directed.around(CORPUS).languages == ("en-de", "en-fr", "de-en", "fr-en")
    assert Directed.around(CORPUS, "de").languages == ("de-en", "de-fr", "en-de", "fr-de")


def test_parts_are_those_of_the_corpus() -> None:
    directed = Directed.around(CORPUS)
    assert directed.take([2, 0]).ids == ("c", "a")
    assert directed.head(2).texts["de-en"] == ("eins ⟶ one", "zwei ⟶ two")
    for share, seed in ((0.5, 0), (0.5, 3)):
        parts, expected = directed.split(share, seed), CORPUS.split(share, seed)
        assert [part.ids for part in parts] == [part.ids for part in expected]
        assert all(part.directions == directed.directions for part in parts)
    assert directed.select(["fr-en", "en-de"]).languages == ("fr-en", "en-de")
    with pytest.raises(ConfigError, match=r"'de-fr' was asked of corpus 'three'\. Expected some of en-de, en-fr"):
        directed.select(["de-fr"])


def test_rows_are_known_again_whichever_way_they_are_read() -> None:
    directed = Directed(CORPUS, ("de-en",))  # type: ignore[arg-type]
    assert text_hashes(directed) == text_hashes(CORPUS)
    assert rows_with(directed, text_hashes(CORPUS.take([1]))) == 1
    assert directed.hash == CORPUS.hash != directed.take([0]).hash


def test_wrong_directions_are_refused() -> None:
    for directions, error, message in [
        ((), ConfigError, "one or more, each once"),
        (("en-de", "en-de"), ConfigError, "en-de, en-de. Expected one or more, each once"),
        (("en-sw",), CorpusError, "'sw'"),
        (("english",), ConfigError, "'english' is no direction"),
    ]:
        with pytest.raises(error, match=message):
            Directed(CORPUS, directions)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"Expected 'it' and one or more others\. Name another pivot"):
        Directed.around(CORPUS, "it")
