"""`neuroglot identify` on files as `generate` writes them."""

import json
from pathlib import Path

import pytest

from neuroglot.cli.identifying import identify, read_generated
from neuroglot.errors import CorpusError

TEXTS = {
    "de": ["Der Garten ist heute sehr schön und grün.", "Meine Schwester liest am Abend ein Buch."],
    "en": ["The garden is very beautiful and green today.", "Meine Schwester trinkt gerne Kaffee am Morgen."],
}


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    lines = [
        json.dumps({"id": str(row), "language": language, "prompt": "p", "generated": text, "signature": "s"})
        for language, column in TEXTS.items()
        for row, text in enumerate(column)
    ]
    path = tmp_path / "out.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_shares_are_by_language_of_the_prompt(generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identify(generated, candidates=("de", "en", "fr"), json=True)
    found = json.loads(capsys.readouterr().out)
    assert {language: row["value"] for language, row in found["languages"].items()} == {"de": 1.0, "en": 0.5}
    assert found["languages"]["en"]["found"] == {"de": 1, "en": 1, "fr": 0, "und": 0}
    assert found["rows"] == 2
    identify(generated, candidates=("de", "en", "fr"))
    assert "en: 0.5 [" in capsys.readouterr().out


def test_a_target_may_be_another_language(generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identify(generated, candidates=("de", "en"), target="de", json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["languages"]["de"]["value"] == 0.75
    assert found["rows"] == 4


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", "no json", '{"id": "0", "language": "de"}', '{"id":"0","language":"de","generated":"x"}\n[]'],
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(CorpusError):
        read_generated(tmp_path / "bad.jsonl")
    with pytest.raises(CorpusError):
        read_generated(tmp_path / "absent.jsonl")


def test_languages_must_have_the_same_rows(tmp_path: Path) -> None:
    rows = [{"id": "0", "language": "de", "generated": "a"}, {"id": "1", "language": "en", "generated": "b"}]
    (tmp_path / "uneven.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(CorpusError, match="other ids"):
        read_generated(tmp_path / "uneven.jsonl")
