"""Lab models on disk: written whole or not at all in the hub's layout, and read without the generator's libraries."""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ArtifactError, NeuroglotError
from neuroglot.lab.config import LabConfig
from neuroglot.storage import as_artifact_error, parse_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from neuroglot.lab.generator import LabCorpus
    from neuroglot.lab.untrained import LabModel

SHIPPED = Path(__file__).parent / "shipped"
MODEL, HELD_OUT, TASKS = "model.safetensors", "held_out.jsonl", "tasks.jsonl"
LAB_FOLDER = "A lab model is a folder that `neuroglot lab train` wrote."
PACKAGES = ("torch", "transformers", "tokenizers", "babel", "num2words")


def write_artefacts(
    folder: Path,
    model: "LabModel",
    tokenizer: "PreTrainedTokenizerFast",
    corpus: "LabCorpus",
    config: LabConfig,
) -> None:
    """Write a lab model with its held-out texts into a folder; raises `ArtifactError` if they cannot be written."""
    with as_artifact_error(folder):
        model.config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        _write_weights(folder / MODEL, model, header(corpus, config))
        _write_lines(folder / HELD_OUT, corpus_lines(corpus.held_out))
        _write_lines(folder / TASKS, (line for task in corpus.held_out_tasks for line in task_lines(task)))
        for path in folder.iterdir():  # safetensors makes files that only their owner reads
            if path.is_file():
                path.chmod(0o644)


def header(corpus: "LabCorpus", config: LabConfig) -> dict[str, str]:
    """The metadata of the safetensors file: all that is needed to make the same model again."""
    versions = {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}
    return {
        "format": "pt",
        "recipe": json.dumps(asdict(config)),
        "seed": str(config.seed),
        "corpus_hash": corpus.train.hash,
        "held_out_hash": corpus.held_out.hash,
        "versions": json.dumps(versions),
    }


def read_header(folder: Path = SHIPPED) -> dict[str, str]:
    """The metadata of a lab model's safetensors file."""
    from safetensors import SafetensorError, safe_open

    if not (folder / MODEL).is_file():
        raise ArtifactError(f"There is no {MODEL} in {folder}.", LAB_FOLDER)
    try:
        with safe_open(folder / MODEL, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{folder / MODEL} is damaged or not safetensors ({error}).", LAB_FOLDER) from error


def load(folder: Path = SHIPPED) -> "tuple[LabModel, PreTrainedTokenizerFast]":
    """A lab model in eval mode and its tokenizer; without a folder, the ones shipped in the package."""
    if not (folder / MODEL).is_file():
        raise ArtifactError(f"There is no {MODEL} in {folder}.", LAB_FOLDER)
    from transformers import PreTrainedTokenizerFast

    from neuroglot.models.loading import load_config

    family, _ = load_config(folder, str(folder))
    model = family.loader.from_pretrained(folder, local_files_only=True)
    return model.eval(), PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def held_out(folder: Path = SHIPPED) -> Corpus:
    """The parallel documents that a lab model has not seen in training."""
    rows = list(_read_lines(folder / HELD_OUT))
    with _as_artifact_error(folder / HELD_OUT):
        languages = [key for key in rows[0] if key != "id"]
        return rows_as_corpus(
            "lab/held-out", rows, {language: [row[language] for row in rows] for language in languages}
        )


def tasks(folder: Path = SHIPPED) -> tuple[Task, ...]:
    """The questions that a lab model has not seen in training, by task."""
    by_task: dict[str, list[dict]] = {}
    with _as_artifact_error(folder / TASKS):
        for row in _read_lines(folder / TASKS):
            by_task.setdefault(row["task"], []).append(row)
        return tuple(
            Task(name, _part(name, rows, "prompts"), _part(name, rows, "answers")) for name, rows in by_task.items()
        )


def _part(name: str, rows: list[dict], part: str) -> Corpus:
    return rows_as_corpus(f"{name}/{part}", rows, _columns(rows, part))


def rows_as_corpus(name: str, rows: list[dict], texts: dict[str, list[str]]) -> Corpus:
    """Rows of a JSONL file as a corpus."""
    from neuroglot.lab.questions import LICENCE

    columns, ids = {language: tuple(column) for language, column in texts.items()}, tuple(row["id"] for row in rows)
    if not all(isinstance(text, str) for column in (ids, *columns.values()) for text in column):
        raise TypeError("values that are no text")
    return Corpus(name, ids, columns, LICENCE)


def corpus_lines(corpus: Corpus) -> Iterator[dict]:
    """One mapping a row: id, then a text by language."""
    for row, row_id in enumerate(corpus.ids):
        yield {"id": row_id} | {language: column[row] for language, column in corpus.texts.items()}


def task_lines(task: Task) -> Iterator[dict]:
    """One mapping a question: task, id, prompts and answers by language."""
    for row, row_id in enumerate(task.prompts.ids):
        prompts = {language: column[row] for language, column in task.prompts.texts.items()}
        answers = {language: column[row] for language, column in task.answers.texts.items()}
        yield {"task": task.name, "id": row_id, "prompts": prompts, "answers": answers}


def _columns(rows: list[dict], part: str) -> dict[str, list[str]]:
    return {language: [row[part][language] for row in rows] for language in rows[0][part]}


def _write_weights(path: Path, model: "LabModel", metadata: dict[str, str]) -> None:
    from safetensors.torch import save

    weights = {name: weight.contiguous() for name, weight in model.state_dict().items() if name != "lm_head.weight"}
    path.write_bytes(_in_one_order(save(weights, metadata)))  # the unembedding is the embedding: tied, so stored once


def _in_one_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: safetensors writes them in random order, which changes the bytes."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    written = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    written += b" " * (-len(written) % 8)
    return len(written).to_bytes(8, "little") + written + content[8 + size :]


def _write_lines(path: Path, rows: Iterator[dict]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _read_lines(path: Path) -> Iterator[dict]:
    if not path.is_file():
        raise ArtifactError(f"There is no {path.name} in {path.parent}.", "A lab model's folder holds its own texts.")
    with _as_artifact_error(path), path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield parse_json(line)


@contextmanager
def _as_artifact_error(path: Path) -> Iterator[None]:
    try:
        yield
    except NeuroglotError:
        raise
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {str(error)[:200]}"
        raise ArtifactError(f"{path} holds no texts of a lab model ({problem}).", LAB_FOLDER) from error
