"""Directions of translation, read and written."""

import pytest

from neuroglot.corpora.directions import Direction, directions_of, is_direction
from neuroglot.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        ("en-de", "en", "de"),
        ("en-zh-Hans", "en", "zh-Hans"),
        ("pt-BR-en", "pt-BR", "en"),
        ("eng_Latn-de", "eng_Latn", "de"),
    ],
)
def test_a_direction_is_read_and_written(text: str, source: str, target: str) -> None:
    direction = Direction.parse(text)
    assert (direction.source, direction.target, str(direction)) == (source, target, text)
    assert is_direction(text)


@pytest.mark.parametrize("text", ["en", "pt-BR", "zh-Hans", "es-419", "ca-valencia", "", "a path", "zh-Hant-TW"])
def test_what_is_a_language_or_nothing_is_no_direction(text: str) -> None:
    assert not is_direction(text)


@pytest.mark.parametrize("text", ["en", "", "en-", "-", "en-en", "en-qqq", "a path", "en-pt-br"])
def test_what_is_no_direction_or_two_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Direction.parse(text)


def test_types_of_directions_and_all_of_them() -> None:
    assert [Direction.parse(text).type() for text in ("en-de", "de-en", "de-fr")] == ["en2x", "x2en", "zero-shot"]
    assert Direction("de", "fr").type(pivot="fr") == "x2en"
    assert list(map(str, directions_of(("en", "de", "fr")))) == ["en-de", "en-fr", "de-en", "fr-en"]
    with pytest.raises(ConfigError, match="'en' and one or more others"):
        directions_of(("de", "fr"))
