"""MLQA: passages and questions in any pair of languages, read by the names of their files."""

import json
from pathlib import Path

import pytest

from neuroglot.corpora import load_task
from neuroglot.corpora.tasks import is_task
from neuroglot.errors import ConfigError, CorpusError, NeuroglotError
from tests.corpora.task_writing import squad

PASSAGES = {"en": ("They are five.", "five"), "de": ("Es sind fünf.", "fünf"), "zh": ("有五个。", "五个")}
QUESTIONS = {"en": "How many?", "de": "Wie viele?", "zh": "有多少？"}
SECOND = {"en": ("He is Jan.", "Jan"), "de": ("Er ist Jan.", "Jan"), "zh": ("他是简。", "简")}
ASKED = {"en": "Who?", "de": "Wer?", "zh": "谁？"}


def name(passage: str, question: str, split: str = "test") -> str:
    return f"{split}-context-{passage}-question-{question}.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All pairs of three languages; the rows of Chinese files come the other way round."""
    for passage in PASSAGES:
        for question in QUESTIONS:
            rows = [
                ("a", PASSAGES[passage][0], QUESTIONS[question], PASSAGES[passage][1]),
                ("b", SECOND[passage][0], ASKED[question], SECOND[passage][1]),
            ]
            given = rows[::-1] if "zh" in (passage, question) else rows
            (tmp_path / name(passage, question)).write_text(squad(given))
    return tmp_path


def test_passages_are_asked_about_in_their_language(folder: Path) -> None:
    task = load_task(folder)
    assert (task.name, task.languages, task.prompts.ids) == ("mlqa x-to-x", ("de", "en", "zh"), ("a", "b"))
    assert task.prompts.texts["de"][0] == "Kontext: Es sind fünf.\nFrage: Wie viele?\nAntwort:"
    assert task.prompts.texts["zh"][1] == "上下文：他是简。\n问题：谁？\n答案："
    assert (task.answers.texts["de"], task.answers.texts["zh"]) == ((" fünf", " Jan"), ("五个", "简"))


def test_english_passages_are_asked_about_in_each_language(folder: Path) -> None:
    task = load_task(folder, direction="en-to-x", languages=["zh", "de"])
    assert (task.name, task.languages) == ("mlqa en-to-x", ("zh", "de"))
    assert task.prompts.ids == ("b", "a")  # as in the first language's file
    assert task.prompts.texts["de"][1] == "Kontext: They are five.\nFrage: Wie viele?\nAntwort:"
    assert task.answers.texts == {"zh": (" Jan", " five"), "de": (" Jan", " five")}  # spaces as in English
    assert task.select(["de"]).take([1]).answers_in == "en"


def test_passages_in_each_language_are_asked_about_in_english(folder: Path) -> None:
    task = load_task(folder, direction="x-to-en")
    assert task.name == "mlqa x-to-en"
    assert task.prompts.texts["de"][1] == "Context: Er ist Jan.\nQuestion: Who?\nAnswer:"
    assert task.prompts.texts["zh"][0] == "Context: 有五个。\nQuestion: How many?\nAnswer:"
    assert (task.answers.texts["de"], task.answers.texts["zh"]) == ((" fünf", " Jan"), ("五个", "简"))


def test_one_file_is_one_pair(folder: Path) -> None:
    crossed = load_task(folder / name("zh", "de"))
    assert (crossed.name, crossed.languages, crossed.prompts.ids) == ("mlqa zh-to-x", ("de",), ("b", "a"))
    assert crossed.prompts.texts["de"][1] == "Kontext: 有五个。\nFrage: Wie viele?\nAntwort:"
    assert crossed.answers.texts["de"] == ("简", "五个")
    assert (crossed.answers_in, load_task(folder).answers_in) == ("zh", None)
    assert load_task(folder / name("de", "de")).name == "mlqa x-to-x"
    assert is_task(folder)
    assert is_task(folder / name("zh", "de"))


def test_rows_that_a_language_lacks_are_left_out_and_counted(folder: Path) -> None:
    (folder / name("de", "de")).write_text(squad([("b", "Er ist Jan.", "Wer?", "Jan")]))
    with pytest.raises(CorpusError, match="de"):
        load_task(folder)
    task = load_task(folder, on_missing="drop")
    assert (task.prompts.ids, dict(task.dropped)) == (("b",), {"a language lacked the row": 1})


def remove(*names: str):  # type: ignore[no-untyped-def]
    return lambda folder: [(folder / each).unlink() for each in names]


def put(file: str, text: str):  # type: ignore[no-untyped-def]
    return lambda folder: (folder / file).write_text(text)


GERMAN = ("a", PASSAGES["de"][0], QUESTIONS["de"], "fünf")
OTHER = [("a", PASSAGES["en"][0], QUESTIONS["de"], "They"), ("b", SECOND["en"][0], ASKED["de"], "Jan")]
ASKED_OTHERWISE = [("a", PASSAGES["de"][0], "Who is it?", "fünf"), ("b", SECOND["de"][0], ASKED["en"], "Jan")]
REFUSED = {
    "no file": (remove(name("de", "de")), {}, CorpusError, "has no test-context-de-question-de.json"),
    "no pair": (remove(name("en", "de")), {"direction": "en-to-x"}, CorpusError, "no test-context-en-question-de"),
    "no language": (remove(), {"languages": ["sw"]}, CorpusError, "sw"),
    "no language of passages": (remove(), {"direction": "sw-to-x"}, CorpusError, "context-sw-question-de"),
    "both splits": (put(name("de", "de", "dev"), squad([GERMAN])), {}, CorpusError, "the splits dev and test"),
    "a pair twice": (put(name("deu", "deu"), squad([GERMAN])), {}, CorpusError, "two files of one pair"),
    "a row twice": (put(name("de", "de"), squad([GERMAN, GERMAN])), {}, CorpusError, "'a'"),
    "no JSON": (put(name("de", "de"), "{"), {}, CorpusError, "test-context-de-question-de.json"),
    "another JSON": (put(name("de", "de"), json.dumps({"rows": []})), {}, CorpusError, "not SQuAD's"),
    "no questions": (put(name("de", "de"), json.dumps({"data": []})), {}, CorpusError, "has no question"),
    "no answer": (put(name("de", "de"), squad([(*GERMAN[:3], "")])), {}, CorpusError, "answer in de"),
    "other answers": (put(name("en", "de"), squad(OTHER)), {"direction": "en-to-x"}, CorpusError, "'They'"),
    "other questions": (
        put(name("de", "en"), squad(ASKED_OTHERWISE)), {"direction": "x-to-en"}, CorpusError, "Who is it"
    ),
    "a direction of nothing": (remove(), {"direction": "en-to-de"}, ConfigError, "Expected such as 'x-to-x'"),
    "half a direction": (remove(), {"direction": "en"}, ConfigError, "Expected such as 'x-to-x'"),
    "an unknown language": (remove(), {"direction": "x-to-nothing"}, NeuroglotError, "nothing"),
    "another option": (remove(), {"query": "src"}, ConfigError, "Its options are direction"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_missing_twice_given_or_damaged_is_named(folder: Path, case: str) -> None:
    change, options, error, message = REFUSED[case]
    change(folder)
    with pytest.raises(error, match=message):
        load_task(folder, **options)


def test_a_direction_needs_the_folder(folder: Path) -> None:
    with pytest.raises(ConfigError, match="a single file"):
        load_task(folder / name("zh", "de"), direction="en-to-x")
