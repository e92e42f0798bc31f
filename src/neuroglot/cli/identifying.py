"""`neuroglot identify`: whether generated texts are in the language that was asked for."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

from neuroglot.cli.options import Json, Several
from neuroglot.cli.running import print_json

IDENTIFY_EXAMPLES = """Examples:

    neuroglot generate lab --prompts prompts.tsv --steer to-german.safetensors --out steered.jsonl
    neuroglot identify steered.jsonl --candidates en de fr
    neuroglot identify steered.jsonl --candidates en de fr --target de --json"""


def identify(
    generated: Path,
    /,
    *,
    candidates: Annotated[tuple[str, ...], Several],
    target: str | None = None,
    min_distance: float = 0.0,
    json: Json = False,
) -> None:
    """Share of generated texts that are in their language, with intervals over rows (language forcing success).

    Needs the extra: pip install 'neuroglot[identification]'.

    Parameters
    ----------
    generated:
        JSONL file that `neuroglot generate --out` wrote.
    candidates:
        All languages that the texts may be in, by code; also those into which the model may fall back.
    target:
        The language that was asked for, where it is not that of the prompt, as with steering.
    min_distance:
        Texts whose two likeliest languages are nearer than this are undecided, from 0 to 0.99.
    """
    from neuroglot.metrics.identification import language_forcing

    columns = read_generated(generated)
    ids = list(next(iter(columns.values())))
    if target is None:
        texts = {language: list(column.values()) for language, column in columns.items()}
    else:
        ids = [f"{language}/{row_id}" for language, column in columns.items() for row_id in column]
        texts = {target: [text for column in columns.values() for text in column.values()]}
    found = language_forcing(texts, ids, candidates=candidates, min_distance=min_distance)
    scores, outcomes = found.scores, found.outcomes.tolist()
    codes = (*found.candidates, "und")
    if json:
        rows = {
            language: {**score.to_json(), "found": dict(zip(codes, outcome, strict=True))}
            for (language, score), outcome in zip(scores.items(), outcomes, strict=True)
        }
        print_json({"languages": rows, "rows": len(ids), "signature": found.signature.to_json()})
        return
    for (language, score), outcome in zip(scores.items(), outcomes, strict=True):
        seen = ", ".join(f"{code} {count}" for code, count in zip(codes, outcome, strict=True) if count)
        print(f"{language}: {score} of {len(ids)} texts in it (found: {seen})")


def read_generated(path: Path) -> dict[str, dict[str, str]]:
    """Generated texts by language and id; raises `CorpusError` where the file is none of `neuroglot generate`'s."""
    from neuroglot.errors import CorpusError

    columns: dict[str, dict[str, str]] = {}
    number = 0
    try:
        for line in path.read_text(encoding="utf-8").split("\n"):
            number += 1
            if line.strip():
                row = json_format.loads(line)
                columns.setdefault(str(row["language"]), {})[str(row["id"])] = str(row["generated"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorpusError(
            f"{path}, line {number}, could not be read: {error}.", "Expected JSONL of `neuroglot generate --out`."
        ) from error
    ids = [set(column) for column in columns.values()]
    if not ids or any(one != ids[0] for one in ids):
        languages = ", ".join(columns) or "no language"
        raise CorpusError(f"{path} has other ids in {languages}.", "Expected the same rows in all.")
    return columns
