"""Texts that show nothing, such as zero-width characters alone, are missing texts everywhere."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from neuroglot import corpora
from neuroglot.corpora import Corpus, storing
from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.columns import TextColumn, align
from neuroglot.corpora.parallel_inputs.items import ParallelItem, marked
from neuroglot.corpora.textfiles import but_for_a_blank_end
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.generation.backend import check_prompts, judged
from neuroglot.metrics.texts import Texts

UNSEEN = (
    "\u200b",
    "\ufeff",
    "\u2060",
    "\u200d",
    "\u200c",
    "\u00ad",
    "\u200e\u200f",
    " \u200b\t\ufeff ",
    "\ufe0f",
    "\u180e",
)


@pytest.mark.parametrize("text", ["", " ", "\t\u3000\u2028", *UNSEEN])
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}a{text}")


@pytest.mark.parametrize("text", [".", "\u0301", "क्‍", "👩‍💻", "‏שלום", "\ufffd", "\U000f0000"])
def test_what_shows_something_is_not(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize("most", [0, 10**6])
@pytest.mark.parametrize("unseen", UNSEEN)
def test_a_text_that_shows_nothing_is_missing(
    unseen: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_IN_MEMORY", most)
    monkeypatch.setattr(storing, "cached_assets_path", lambda *_: tmp_path)
    rows = [{"id": "a", "de": "eins", "en": "one"}, {"id": "b", "de": "zwei", "en": unseen}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(CorpusError, match=r"jsonl:2: the text in 'en' is empty\..*1 of 2 rows"):
        corpora.load(path)
    corpus = corpora.load(path, on_missing="drop")
    assert (corpus.dropped, tuple(corpus.ids)) == (1, ("a",))


def test_files_with_ids_of_their_own_and_ids_that_show_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "\u200b", "de": "eins"}\n')
    with pytest.raises(CorpusError, match="the id is empty"):
        corpora.load(tmp_path / "a.jsonl")
    with pytest.raises(CorpusError, match="no text in 'de', row 2"):
        Corpus("c", ("1", "2"), {"de": ("eins", "\u2060")})


def refused(prompts: Sequence[str]) -> bool:
    try:
        check_prompts(prompts)
    except ConfigError:
        return True
    return False


@pytest.mark.parametrize("unseen", UNSEEN)
def test_models_and_released_files_that_say_nothing_say_nothing(unseen: str) -> None:
    assert judged(unseen, "stop", None, None, False).failure == "empty"
    assert refused([unseen])
    assert not refused([f"{unseen}a"])
    assert marked(unseen) == "empty line"
    assert marked("a") is None
    with pytest.raises(CorpusError, match="a text that is not empty in each"):
        ParallelItem("1", {"question": {"en": "one", "de": unseen}}, "en")
    with pytest.raises(CorpusError, match="all 2 rows are blank"):
        Texts(("a", "b"), ((unseen, ""),), None)


def test_lines_at_the_end_that_show_nothing_are_left_out_of_tables() -> None:
    assert [*but_for_a_blank_end(["de", "eins", "\u200b", "zwei", "\ufeff", " ", ""])] == [
        "de",
        "eins",
        "\u200b",
        "zwei",
    ]
    assert [*but_for_a_blank_end(["de\ten", "\t", "\t\u200b"])] == ["de\ten", "\t", "\t\u200b"]  # rows without texts


def test_a_text_that_shows_nothing_is_missing_in_rows_that_are_joined_by_id() -> None:
    columns = {
        "de": TextColumn("a", ["eins", "\u200b"], range(1, 3), ids=["1", "2"]),
        "en": TextColumn("b", ["two", "one"], range(1, 3), ids=["2", "1"]),
    }
    ids, texts, dropped = align(columns, "drop")
    assert ([*ids], {code: [*column] for code, column in texts.items()}, dropped) == (
        ["1"], {"de": ["eins"], "en": ["one"]}, 1,
    )  # fmt: skip
