"""Writers of small tasks in each layout that `load_task` reads; independent of the readers."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.corpora.writing import mgsm

Fact = tuple[int, str, str, str, str]  # lineid, subject's entity and label, object's entity and label


def json_lines(rows: Iterable[Mapping[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def relation(language: str, name: str, patterns: list[str], facts: list[Fact]) -> dict[str, str]:
    tuples = [
        {"sub_uri": s, "obj_uri": o, "obj_label": o_label, "sub_label": s_label, "lineid": line}
        for line, s, s_label, o, o_label in facts
    ]
    return {
        f"patterns/{language}/{name}.jsonl": json_lines({"pattern": p, "checked-by-human": True} for p in patterns),
        f"tuples/{language}/{name}.jsonl": json_lines(tuples),
    }


CAPITALS = {
    "de": ["Frankreich Paris", "Italien Rom", "Japan Tokio", "Kenia Nairobi", "Peru Lima"],
    "en": ["France Paris", "Italy Rome", "Japan Tokyo", "Kenya Nairobi", "Peru Lima"],
    "zh": ["法国 巴黎", "意大利 罗马", "日本 东京", "肯尼亚 内罗毕", "秘鲁 利马"],
}
CAPITAL_PATTERNS = {
    "de": ["[Y] ist die Hauptstadt von [X]", "die Hauptstadt von [X] ist [Y]."],
    "en": ["the capital of [X] is [Y] ."],
    "zh": ["[X] 的首都是 [Y]。"],
}


def capitals(language: str) -> list[Fact]:
    pairs = [text.split() for text in CAPITALS[language]]
    return [(n, f"Q{n}", country, f"Q10{n}", capital) for n, (country, capital) in enumerate(pairs)]


def facts(folder: Path, languages: Iterable[str] = ("de", "en", "zh")) -> Path:
    for language in languages:
        write(folder, relation(language, "P36", CAPITAL_PATTERNS[language], capitals(language)))
    return folder


def sums(folder: Path) -> Path:
    return mgsm(folder, {"de": ["Wie viel?", "Wie oft?"], "zh": ["多少？", "几次？"]})


def squad(rows: list[tuple[str, str, str, str]]) -> str:
    """Rows of id, context, question and answer; an empty answer is none."""
    paragraphs = [
        {"context": c, "qas": [{"id": i, "question": q, "answers": [{"text": a, "answer_start": 0}] if a else []}]}
        for i, c, q, a in rows
    ]
    return json.dumps({"data": [{"title": "T", "paragraphs": paragraphs}]})


def passages(folder: Path, answer: str = "fünf") -> Path:
    german = [("a", "Es sind fünf.", "Wie viele?", answer), ("b", "Er heißt Jan.", "Wie heißt er?", "Jan")]
    english = [("b", "He is Jan.", "Who is he?", "Jan"), ("a", "They are five.", "How many?", "five")]
    return write(folder, {"xquad.de.json": squad(german), "xquad.en.json": squad(english)})


INFERENCE_HEADER = ("language", "gold_label", "parse", "sentence1", "sentence2", "pairID")
INFERENCE_ROWS = [
    ("de", "entailment", "", "Er schläft.", 'Er "schläft" {premise}.', "1"),
    ("de", "neutral", "", "Sie geht.", "Sie geht heim.", "2"),
    ("de", "contradiction", "", "Es regnet.", "Es ist trocken.", "3"),
    ("zh", "contradiction", "", "下雨了。", "天是干的。", "3"),
    ("zh", "entailment", "", "他在睡觉。", "他睡着了。", "1"),
    ("zh", "neutral", "", "她走了。", "她回家了。", "2"),
]


def inference(folder: Path, rows: Iterable[tuple[str, ...]] = INFERENCE_ROWS, header=INFERENCE_HEADER) -> Path:
    lines = ["\t".join(row[: len(header)]) for row in (header, *rows)]
    (folder / "xnli.test.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def edit(question: str, answer: str, rephrased: str = "") -> dict[str, object]:
    return {"subject": "S", "src": question, "rephrase": rephrased or question, "alt": answer, "portability": {}}


ENGLISH_EDITS = [edit("Who made it?", "Ann", "By whom is it?"), edit("Where is it?", "Rome")]
GERMAN_EDITS = [edit("Wer hat es gemacht?", "Anna", "Von wem ist es?"), edit("Wo ist es?", "Rom")]
CZECH_EDITS = [edit("Kdo to udělal?", "Anna"), edit("Kde to je?", "Řím")]


def edits(folder: Path, english: list[dict[str, object]] = ENGLISH_EDITS) -> Path:
    """In every pair's file; `english` is what the Czech one has for English."""
    pairs = {"ende": (ENGLISH_EDITS, "de", GERMAN_EDITS), "encz": (english, "cz", CZECH_EDITS)}
    for name, (first, tag, second) in pairs.items():
        rows = [{"en": of_english, tag: other} for of_english, other in zip(first, second, strict=True)]
        (folder / f"mzsre_test_duplicate_{name}.json").write_text(json.dumps(rows, indent=4))
    (folder / "mzsre_test_duplicate_czde.json").write_text("[]")
    return folder
