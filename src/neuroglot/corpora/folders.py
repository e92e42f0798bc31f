"""Folders with one file a language: which layout it is, by the file names and never by a guess."""

import re
from collections.abc import Sequence
from pathlib import Path

from neuroglot.corpora.columns import Column
from neuroglot.corpora.languages import choose
from neuroglot.corpora.sources import LAYOUTS, Source
from neuroglot.errors import ConfigError, CorpusError

PAPERS = re.compile(r"\..*|(licen[cs]e|readme|copying|notice|authors|changelog|citation)\b.*", re.IGNORECASE)
DATA = frozenset({".txt", ".tsv", ".csv", ".json", ".jsonl", ".ndjson", ".parquet"})


def read_folder(folder: Path, languages: Sequence[str] | None, column: str | None) -> tuple[Source, dict[str, Column]]:
    """The record of the layout, and the columns by language.

    Raises `CorpusError` where no layout or more than one fits, a data file fits none, a file leads out of the folder,
    and as `choose` and the readers do; `ConfigError` where the layout has no columns to choose from.
    """
    files = [name for name in names_in(folder) if Path(name).suffix.lower() in DATA and not PAPERS.fullmatch(name)]
    source = _layout(folder, files)
    tags = {name: match[1] for name in files if (match := re.fullmatch(source.files, name))}
    if languages is None:
        _refuse_strangers(folder, [name for name in files if name not in tags], source)
    if column is not None and not source.column:
        raise ConfigError(
            f"Column {column!r} was asked of {folder}.", f"{source.title}: there are no columns to choose."
        )
    names = choose({name: source.tag(tag) for name, tag in tags.items()}, languages, str(folder))
    text_column = column or source.column
    return source, {code: source.read(inside(folder, name), text_column) for code, name in names.items()}


def layout_of(name: str) -> Source | None:
    """The layout in which a file of this name holds one language; None where there is none."""
    return next((source for source in LAYOUTS if re.fullmatch(source.files, name)), None)


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted; raises `CorpusError` where it cannot be listed."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise CorpusError(f"{folder} cannot be listed: {error.strerror or error}.") from error


def _layout(folder: Path, files: list[str]) -> Source:
    found: dict[str, tuple[Source, str]] = {}
    for name in files:
        if source := layout_of(name):
            found.setdefault(source.name, (source, name))
    if len(found) == 1:
        return next(iter(found.values()))[0]
    if found:
        kinds = " and ".join(f"{source.name!r} ({name})" for source, name in found.values())
        raise CorpusError(
            f"{folder} holds files of several layouts: {kinds}.", "Expected is one.", "Move the others out."
        )
    raise CorpusError(
        f"{folder} holds no corpus that can be read: {', '.join(files[:5]) or 'there are no data files'}.",
        f"Expected is a file for each language, such as {', '.join(source.example for source in LAYOUTS)}.",
        "If one file has a column for each language, give that file instead of the folder.",
    )


def _refuse_strangers(folder: Path, names: list[str], source: Source) -> None:
    if names:
        raise CorpusError(
            f"{folder} holds {names[0]!r}, which is no part of the layout {source.name!r} of its other files.",
            f"Expected are files such as {source.example}.",
            "Move it out, or say which languages to take with --languages (languages=[...]).",
        )


def inside(folder: Path, name: str) -> Path:
    """The path of a file in the folder; a link out of it is refused, so that a corpus is what its folder shows."""
    path = folder / name
    try:
        path.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise CorpusError(f"{str(path)[:200]!r} cannot be read: {error}.", "Expected is a file.") from error
    if not path.resolve().is_relative_to(folder.resolve()):
        raise CorpusError(
            f"{path} is a link to {path.resolve()}, outside the folder.",
            "Every file of a corpus must be in its folder.",
            "Put the file itself there.",
        )
    return path
