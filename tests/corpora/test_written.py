"""Readers of what is to be written: SQuAD's layout and XL-Sum's lines, in miniature."""

import json
from pathlib import Path

import pytest

from neuroglot.corpora.written import ToWrite, read_to_write
from neuroglot.errors import CorpusError
from neuroglot.tokens.canvases import LONG_TARGET, task_pairs
from tests.models.sga.making import tiny_sga
from tests.tiny import masking_tokenizer


def squad(asked: list[tuple[str, str]], context: str = "The dog sleeps in the sun.") -> dict[str, object]:
    qas = [
        {"id": str(n), "question": question, "answers": [{"text": answer, "answer_start": 4}]}
        for n, (question, answer) in enumerate(asked)
    ]
    return {"version": "1.1", "data": [{"title": "Dogs", "paragraphs": [{"context": context, "qas": qas}]}]}


def test_of_an_answer_and_its_passage_the_question_is_to_be_written(tmp_path: Path) -> None:
    stored = squad([("Who sleeps?", "dog"), ("Where?", "in the sun"), ("   ", "sun")])
    stored["data"][0]["paragraphs"][0]["qas"].append({"question": "Why?", "is_impossible": True, "answers": []})
    (tmp_path / "en.json").write_text(json.dumps(stored))
    (tmp_path / "de_train.json").write_text(json.dumps(squad([("Wer schläft?", "Hund")], "Der Hund schläft.")))
    found = read_to_write(tmp_path, "questions")
    assert dict(found.texts) == {
        "de": (("Hund\nDer Hund schläft.", "Wer schläft?"),),
        "en": (
            ("dog\nThe dog sleeps in the sun.", "Who sleeps?"),
            ("in the sun\nThe dog sleeps in the sun.", "Where?"),
        ),
    }
    assert (len(found), found.dropped) == (3, 1)
    assert read_to_write(tmp_path / "en.json", "questions").hash != found.hash
    assert len(found.head(1)) == 2


def test_of_an_article_the_headline_or_the_summary_is_to_be_written(tmp_path: Path) -> None:
    rows = [{"id": "1", "url": "u", "title": "Dogs", "summary": "They sleep.", "text": "All dogs sleep."}]
    (tmp_path / "german_train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    assert dict(read_to_write(tmp_path, "headlines").texts) == {"de": (("All dogs sleep.", "Dogs"),)}
    assert dict(read_to_write(tmp_path, "summaries").texts) == {"de": (("All dogs sleep.", "They sleep."),)}


@pytest.mark.parametrize(
    ("name", "content", "layout", "message"),
    [
        ("en.json", "{", "questions", "is no file of questions.*Expected JSON in SQuAD's layout"),
        ("en.json", '{"data": [{"paragraphs": [{"qas": []}]}]}', "questions", "holds nothing to write"),
        ("en.json", '{"rows": []}', "questions", "KeyError: 'data'"),
        ("en.jsonl", '{"text": 3, "title": "x"}', "headlines", "text is no text"),
        ("en.jsonl", '{"text": "a"}', "headlines", "KeyError: 'title'"),
        ("qqqq1.jsonl", "", "headlines", "names no language"),
        ("en.json", "{}", "stories", "Expected questions or headlines or summaries"),
    ],
)
def test_other_files_are_refused(name: str, content: str, layout: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(CorpusError, match=message):
        read_to_write(tmp_path, layout)


def test_pairs_are_counted_one_by_one_and_sources_cut() -> None:
    tasks = ToWrite("t", {"de": (("w1 w2 w3 w4", "w5"), ("w1", "w2 w2 w2 w2")), "en": (("w7", "w8 w9"),)})
    model = tiny_sga(canvas_length=5)
    pairs = task_pairs(model, masking_tokenizer(), tasks, longest=3)
    assert (pairs.ids, pairs.dropped, pairs.reasons) == (("de-0", "en-0"), ("de-1",), {LONG_TARGET: 1})
    assert [(pair.language, len(pair.token_ids), pair.target_ids) for pair in pairs.pairs] == [
        (0, 3, (9,)), (1, 3, (12, 13)),
    ]  # fmt: skip
    with pytest.raises(CorpusError, match=r"Nothing of 't' is left \(target longer than its canvas: 1\)"):
        task_pairs(model, masking_tokenizer(), ToWrite("t", {"de": (("w1", "w2 w2 w2 w2"),)}))
