"""Writers of small corpora, one for each format that `load` reads: independent of the readers, for round trips."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import polars

Texts = Mapping[str, list[str]]
ENGLISH = {"de": "German", "en": "English", "sw": "Swahili"}


def lines(folder: Path, texts: Texts) -> Path:
    for language, column in texts.items():
        (folder / f"{language}.txt").write_bytes("".join(f"{text}\n" for text in column).encode())
    return folder


def mgsm(folder: Path, texts: Texts) -> Path:
    for language, column in texts.items():
        rows = "".join(f"{text}\t{n}\n" for n, text in enumerate(column))
        (folder / f"mgsm_{language}.tsv").write_bytes(rows.encode())
    return folder


def msvamp(folder: Path, texts: Texts) -> Path:
    for language, column in texts.items():
        rows = [json.dumps({"m_query": text, "response": str(n)}) + "\n" for n, text in enumerate(column)]
        (folder / f"test_{ENGLISH[language]}.json").write_text("".join(rows))
    return folder


def squad(questions: list[tuple[str, str]], context: str = "Context.") -> str:
    entries = [{"id": row_id, "question": question, "answers": []} for row_id, question in questions]
    return json.dumps({"data": [{"title": "T", "paragraphs": [{"context": context, "qas": entries}]}]}, indent=1)


def xquad(folder: Path, texts: Texts) -> Path:
    for language, column in texts.items():
        (folder / f"xquad.{language}.json").write_text(squad([(str(n), t) for n, t in enumerate(column, 1)]))
    return folder


def tsv(folder: Path, texts: Texts) -> Path:
    rows = ["\t".join(texts), *("\t".join(row) for row in zip(*texts.values(), strict=True))]
    (folder / "wide.tsv").write_bytes("".join(f"{row}\n" for row in rows).encode())
    return folder / "wide.tsv"


def csv_file(folder: Path, texts: Texts) -> Path:
    with (folder / "wide.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(texts), *zip(*texts.values(), strict=True)])
    return folder / "wide.csv"


def jsonl(folder: Path, texts: Texts) -> Path:
    rows = [json.dumps(dict(zip(texts, row, strict=True))) + "\n" for row in zip(*texts.values(), strict=True)]
    (folder / "wide.jsonl").write_text("".join(rows))
    return folder / "wide.jsonl"


def parquet(folder: Path, texts: Texts) -> Path:
    polars.DataFrame(dict(texts)).write_parquet(folder / "wide.parquet")
    return folder / "wide.parquet"
