"""A first recipe for the files that somebody has: what a folder holds is recognised, and written as commented YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from textwrap import wrap
from typing import Any

from neuroglot.errors import ArtifactError, ConfigError, NeuroglotError
from neuroglot.recipes.analyze import Analyze
from neuroglot.runs.recipe import help_of

RECIPE_FILE = "neuroglot.yaml"
LARGEST_TEXT = 256 * 2**20  # bytes of a file that is read to see what it is
MOST_FILES, MOST_SAID = 200, 5
LEAST_ROWS = 4  # to select neurons on some and to switch them off on others
REMARK_WIDTH = 100


@dataclass(frozen=True)
class Recognised:
    """Where something is, and what it is; or, without a `kind`, why it is nothing that can be analysed."""

    path: Path
    kind: str
    said: str
    languages: tuple[str, ...] = ()


def parts_of_folder(folder: Path) -> list[Recognised]:
    """The parallel texts and models in a folder: itself, or else its files and folders, in the order of their names.

    Raises `ConfigError` if it is no folder, or holds no parallel text, with what is wrong with each.
    """
    from neuroglot.corpora.endings import PAPERS
    from neuroglot.corpora.hub_folders import in_hub_layout

    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}.", "Expected the folder that holds your texts.")
    whole = _texts(folder)
    is_text = in_hub_layout(folder) or any(part.kind == "texts" for part in whole)
    listed = [path for path in sorted(folder.iterdir()) if not PAPERS.fullmatch(path.name) and path.name != RECIPE_FILE]
    parts = [part for path in listed[:MOST_FILES] for part in _part(path, is_text)]
    known = [*(part for part in whole if part.kind), *parts]
    if not any(part.kind == "texts" for part in known):
        wrong = [f"{part.path.name}: {part.said}" for part in parts if not part.kind] or [part.said for part in whole]
        raise ConfigError(
            f"{folder} holds no parallel text that was recognised ({'; '.join(wrong[:MOST_SAID])}).",
            "Expected a file with a column a language, or a file a language, with the same rows.",
            "README.md lists the layouts; any other can be written as a TSV with languages in its first line.",
        )
    return known


def write_recipe(folder: Path) -> tuple[Path, list[Recognised]]:
    """Write `neuroglot.yaml` for what a folder holds, and say what that is; raises `ArtifactError` if there is one."""
    from neuroglot.storage import write_whole

    path = folder / RECIPE_FILE
    if path.exists():
        raise ArtifactError(
            f"{path} is there already.", "Expected a folder without one.",
            f"Run it with `neuroglot run {path} --out run`, or move it away.",
        )  # fmt: skip
    known = parts_of_folder(folder)
    return write_whole(path, _recipe(path, known)), known


def _part(path: Path, whole_is_text: bool) -> Iterator[Recognised]:
    """What a file or folder is; nothing for files of a folder that is parallel text as a whole, and for runs."""
    from neuroglot.models.gguf import is_gguf
    from neuroglot.runs.folder import MARKER

    if (path / MARKER).exists():
        return
    if (path / "config.json").is_file() or is_gguf(str(path)):
        yield _model(path)
    elif not whole_is_text and (path.is_dir() or not path.is_file() or path.stat().st_size <= LARGEST_TEXT):
        yield from _texts(path)  # what is no file, such as a link to nothing, is refused by name


def _model(path: Path) -> Recognised:
    from neuroglot.models.loading import require_known

    try:
        family = require_known(str(path.absolute()))
    except NeuroglotError as error:
        return Recognised(path, "", str(error))
    return Recognised(path, "model", f"{family.kind} of the type {family.model_type}")


def _texts(path: Path) -> list[Recognised]:
    """What a file or folder is as a corpus; each config and split of a folder in the layout of the hub's data sets."""
    from neuroglot.corpora.hub import choices
    from neuroglot.corpora.hub_folders import in_hub_layout

    if not path.is_dir() or not in_hub_layout(path):
        return [_text(path)]
    try:
        return [_text(Path(choice)) for choice in choices(path)]
    except NeuroglotError as error:
        return [Recognised(path, "", str(error))]


def _text(path: Path) -> Recognised:
    """A corpus that can be analysed, or why it cannot."""
    from neuroglot import corpora

    try:
        corpus = corpora.load(path.absolute())
    except NeuroglotError as error:
        return Recognised(path, "", str(error))
    said = f"{len(corpus):,} rows in {', '.join(corpus.languages)}"
    if len(corpus.languages) < 2 or len(corpus) < LEAST_ROWS:
        return Recognised(path, "", f"{said}; two languages with {LEAST_ROWS} rows or more are needed")
    return Recognised(path, "texts", said, corpus.languages)


def _recipe(path: Path, known: Sequence[Recognised]) -> str:
    """The recipe of an analysis: what was recognised as it is, all else behind `#` with its default."""
    texts = [part for part in known if part.kind == "texts"]
    models = [part for part in known if part.kind == "model"]
    name = json.dumps(str(path), ensure_ascii=False)
    lines = [
        f"# Written by `neuroglot init`. To run it: neuroglot run {name} --out run",
        "# Paths are seen from the folder in which it is run. Take the # away from an option to change it.",
        "", "recipe: analyze", "",
        *(_line("model", _as_option(part.path), part.said, number) for number, part in enumerate(models)),
    ]  # fmt: skip
    if not models:
        lines.append(_line("model", "lab", "the small model that comes along: put a folder or a hub id here"))
    lines += ["", *(_line("corpus", _as_option(part.path), part.said, number) for number, part in enumerate(texts))]
    lines += [_line("languages", list(texts[0].languages), "leave some out to read fewer"), ""]
    return "\n".join([*lines, *_others()]) + "\n"


def _as_option(path: Path) -> str:
    """A path as an option; one without a folder begins with `./`, so that it is no model of the hub."""
    return str(path) if path.is_absolute() or len(path.parts) > 1 else f"./{path}"


def _line(name: str, value: Any, said: str, number: int = 0) -> str:
    """An option with a remark; the second of a kind stands behind `#`."""
    return f"{'# ' if number else ''}{name}: {json.dumps(value, ensure_ascii=False)}  # {said}"


def _others() -> Iterator[str]:
    """Each other option with its help and its default, which does nothing until the `#` is taken away."""
    texts, written = help_of(Analyze), {"model", "corpus", "languages"}
    for field in fields(Analyze):
        if field.name not in written and field.default is not MISSING:
            yield from wrap(texts[field.name], REMARK_WIDTH, initial_indent="# ", subsequent_indent="# ")
            yield f"# {field.name}: {json.dumps(field.default, ensure_ascii=False)}"
            yield ""
