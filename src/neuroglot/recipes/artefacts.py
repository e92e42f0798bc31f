"""Artefacts that options name: by the file, or by the run folder that holds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from neuroglot.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus
    from neuroglot.runs.recipe import Recipe

ACTIVITY, MASKS, STEERING = "activity.safetensors", "masks.safetensors", "steering.safetensors"
GENERATED, CORPUS, TRANSLATIONS = "generated.jsonl", "corpus.jsonl", "translations.jsonl"


def artefact(path: Path, name: str) -> Path:
    """The file that was named, or the file `name` of the run folder that was; raises `ArtifactError` if it has none."""
    if not path.is_dir():
        return path
    if not (path / name).is_file():
        is_sets = name == MASKS and bool(neuron_files(path))
        raise ArtifactError(
            f"{path} holds no {name}{', but neuron sets' if is_sets else ''}.",
            "Expected the file, or the run folder that holds it.",
            "Masks of directions come from `neuroglot specialize select`." if is_sets else "",
        )
    return path / name


def job_of(path: Path) -> Recipe | None:
    """The job that wrote the run folder that was named, or the file in it; None if it is none."""
    from neuroglot.errors import NeuroglotError
    from neuroglot.recipes import all_recipes
    from neuroglot.runs.files import FILE, load_recipe

    folder = path if path.is_dir() else path.parent
    try:
        return load_recipe(folder, all_recipes()) if (folder / FILE).is_file() else None
    except NeuroglotError:
        return None  # of another version: only a hint is lost


def model_of_run(folder: Path) -> dict[str, object] | None:
    """What the run folder's job, or a file beside adapters, says of the model, by hashes of weights and tokenizer, and
    whether its layers were held in 4 bits (`four_bits`); None if neither is there, or no model was read.

    Raises `ArtifactError` for a file that cannot be read: what it says may not be passed over.
    """
    from neuroglot.runs.folder import MARKER
    from neuroglot.storage import parse_json
    from neuroglot.training.tuning import LEARNED_ON_FILE

    beside, marker = folder / LEARNED_ON_FILE, folder / MARKER
    path = beside if beside.exists() else marker
    if not path.exists():
        return None
    try:
        stated = parse_json(path.read_bytes())
        if path == marker and "model" not in stated["identity"]:
            return None
        stated = stated if path == beside else stated["identity"]["model"]
        found = {name: stated[name] for name in ("weights", "tokenizer")}
        if not all(isinstance(value, str) for value in found.values()):
            raise ValueError("no hashes")
        return found | {"four_bits": stated.get("four_bits") is True}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} does not say on which model the adapters were learned ({type(error).__name__}: {error}).",
            "Expected the file as the job wrote it, with the hashes of weights and tokenizer.",
            "Without it nothing tells whether the adapters belong to the model.",
        ) from error


def neuron_files(folder: Path) -> dict[str, Path]:
    """The neuron sets of a run folder by language, as `neuroglot select` and `neuroglot analyze` write them; raises
    `ArtifactError` if there is no such folder.
    """
    if not folder.is_dir():
        raise ArtifactError(
            f"There is no folder {folder}." if not folder.exists() else f"{folder} is a file.",
            "Expected the run folder of `neuroglot select` or `neuroglot analyze`.",
        )
    below = folder / "neurons"
    return {file.stem: file for file in sorted((below if below.is_dir() else folder).glob("*.safetensors"))}


def neuron_file(path: Path) -> Path:
    """The file of one neuron set; a run folder stands for its set if it has one only, else `ConfigError`."""
    if not path.is_dir():
        return path
    files = neuron_files(path)
    if len(files) != 1:
        raise ConfigError(
            f"{path} holds neuron sets of {', '.join(files) or 'no language'}.", "Expected one set.",
            f"Name its file: {next(iter(files.values()))}." if files else "",
        )  # fmt: skip
    return next(iter(files.values()))


def corpus_source(corpus: str) -> str:
    """The corpus that was named, or that of a run folder: what `neuroglot translate` or `neuroglot lint` wrote, or the
    rows that `neuroglot lego train` or `neuroglot sga train` held out.
    """
    from neuroglot.runs.folder import MARKER

    folder = Path(corpus)
    is_run = (folder / MARKER).is_file() and (folder / CORPUS).is_file()
    return str(folder / CORPUS) if is_run else corpus


def write_corpus(corpus: Corpus, path: Path) -> None:
    """One line a row, which all commands read."""
    from neuroglot.storage import write_whole

    columns = zip(*corpus.texts.values())
    lines = [{"id": row_id, **dict(zip(corpus.languages, texts))} for row_id, texts in zip(corpus.ids, columns)]
    write_whole(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
