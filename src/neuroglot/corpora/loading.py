"""Any parallel corpus from a path, by its name, or from the hub, or one message that says why not.

`read_folder` knows a folder by the names of its files; `load` decides which of the three a name is, and never looks
up a mistyped path on the hub.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import get_args

from neuroglot.corpora.archives import read_archive
from neuroglot.corpora.columns import OnMissing, TextColumn, align
from neuroglot.corpora.corpus import Corpus, Documents
from neuroglot.corpora.documents import documents_beside
from neuroglot.corpora.endings import PAPERS, ends_in_language, files_by_language, folders_by_language, shared_name
from neuroglot.corpora.hub import HUB_ID, read_hub, read_hub_folder
from neuroglot.corpora.hub_folders import parse_folder
from neuroglot.corpora.languages import choose, code_or_name, wanted_codes
from neuroglot.corpora.shapes import READERS, is_saved, read_saved, usual
from neuroglot.corpora.sources import LAYOUTS, PLAIN, SOURCES, Source, find_source, layout_of, unpacked_name
from neuroglot.corpora.symbols import symbol_corpus, symbol_source
from neuroglot.corpora.tables import ID, columns_of
from neuroglot.corpora.textfiles import COMPRESSED, data_suffix, lines_of
from neuroglot.errors import ConfigError, CorpusError

ZIP = ".zip"
ARCHIVES = re.compile(r"\.(tar|tgz|7z|rar|tar\.\w+)$", re.IGNORECASE)
DATA = frozenset({".txt", ".tsv", ".csv", ".json", ".jsonl", ".ndjson", ".parquet"})


def read_folder(
    folder: Path, languages: Sequence[str] | None, column: str | None
) -> tuple[Source, dict[str, TextColumn]]:
    """The record of the layout, and the columns by language.

    Raises `CorpusError` where no layout or more than one fits, a data file fits none, a file leads out of the folder,
    and as `choose` and the readers do; `ConfigError` where the layout has no columns to choose from.
    """
    names = [name for name in names_in(folder) if not PAPERS.fullmatch(name)]
    files = [name for name in names if data_suffix(Path(name)) in DATA or ends_in_language(name)]
    if found := files_by_language(folder, names) or folders_by_language(folder):
        if languages is None:
            _refuse_strangers(
                folder, [name for name in files if name not in found], PLAIN, ", ".join(sorted(found)[:3])
            )
        return PLAIN, _of_tags(folder, found, languages, column)
    source = _layout(folder, files)
    tags = {name: match[1] for name in files if (match := re.fullmatch(source.files, unpacked_name(name)))}
    if languages is None:
        _refuse_strangers(folder, [name for name in files if name not in tags], source)
    if column is not None and not source.column:
        raise ConfigError(
            f"Column {column!r} was asked of {folder}.", f"{source.title}: there are no columns to choose."
        )
    chosen = choose({name: source.tag(tag) for name, tag in tags.items()}, languages, str(folder))
    text_column = column or source.column
    return source, {code: source.read(inside(folder, name), text_column) for code, name in chosen.items()}


def _of_tags(
    folder: Path, tags: Mapping[str, str], languages: Sequence[str] | None, column: str | None
) -> dict[str, TextColumn]:
    """Line-aligned files whose names or folders say the language."""
    if column is not None:
        raise ConfigError(
            f"Column {column!r} was asked of {folder}.", f"{PLAIN.title}: there are no columns to choose."
        )
    names = choose(tags, languages, str(folder))
    return {code: PLAIN.read(inside(folder, name), "") for code, name in names.items()}


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
        raise CorpusError(f"{folder} holds files of several layouts: {kinds}.", "Expected one.", "Move the others out.")
    raise CorpusError(
        f"{folder} holds no corpus that can be read: {', '.join(files[:5]) or 'there are no data files'}.",
        f"Expected a file for each language, such as {', '.join(source.example for source in LAYOUTS)}.",
        "If one file has a column for each language, give that file instead of the folder.",
    )


def _refuse_strangers(folder: Path, names: list[str], source: Source, others: str = "") -> None:
    if names:
        raise CorpusError(
            f"{folder} holds {names[0]!r}, which is no part of the layout {source.name!r} of its other files.",
            f"Expected files such as {others or source.example}.",
            "Move it out, or say which languages to take with --languages (languages=[...]).",
        )


def inside(folder: Path, name: str) -> Path:
    """The path of a file in the folder; a link out of it is refused, so that a corpus is what its folder shows."""
    path = folder / name
    try:
        path.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise CorpusError(f"{str(path)[:200]!r} cannot be read: {error}.", "Expected a file.") from error
    if not path.resolve().is_relative_to(folder.resolve()):
        raise CorpusError(
            f"{path} is a link to {path.resolve()}, outside the folder.",
            "Every file of a corpus must be in its folder.",
            "Put the file itself there.",
        )
    return path


SHIPPED_LAB = Path(str(files("neuroglot"))) / "lab" / "shipped" / "held_out.jsonl"
LAB_LICENCE = "Apache-2.0"


def load(
    source: str | Path,
    *,
    languages: Sequence[str] | None = None,
    on_missing: OnMissing = "refuse",
    column: str | None = None,
    revision: str | None = None,
) -> Corpus:
    """Reads a parallel corpus, or refuses it.

    `source` is a folder with one file a language (`de.txt`, `train.de`, `Europarl.de-en.de`, `deu_Latn.devtest`,
    `newstest2019-ref.deu.txt`, `de/texts.txt`, `mgsm_de.tsv`, `test_German.json`, `xquad.de.json`), or what its files
    share (`Europarl.de-en`); a file with one column a language (.tsv, .csv, .jsonl, .json, .parquet; `id` holds row
    ids), with a row for each text (`lang`, `text`), with a column `translation`, or TMX; OPUS's zip archive; a folder
    of `datasets`' `save_to_disk`; a known name (`mgsm`, `msvamp`, `xquad`, `flores`) or a dataset of the Hugging Face
    Hub: `org/name`, `org/name:config`, `org/name:config:split` or, where each config is a language, `org/name::split`;
    the same of a folder in the layout of the hub's datasets. Files may be compressed (.gz, .bz2, .xz, .zst). Languages
    are named by codes or in full. What is recognised beyond the plain layouts is logged. What is on disk goes before
    what has the same name elsewhere, except `lab`, which is always the held-out text that is shipped with the lab
    model. Of a file of more than a million characters the texts stay on disk, in a copy in the hub's cache that is
    made once. `symbols`, `symbols:1000` and `symbols-renamed` are generated rows whose languages are formal ones
    (docs/symbols.md), which go before what has the same name elsewhere too.

    The corpus is keyed by BCP-47 codes, in the order of `languages`, else sorted. `on_missing="drop"` leaves out, in
    every language, the rows that lack a text in one, and counts them in `Corpus.dropped`. `column` chooses the text
    where a layout holds several; `revision` is the dataset's on the hub.

    Raises `CorpusError` (what, where, expected, next step) on a source that is not there or not parallel;
    `ConfigError` on an option that does not fit it; `MissingExtraError` for the hub without `neuroglot[hub]`.
    """
    if on_missing not in get_args(OnMissing):
        raise ConfigError(f"on_missing={on_missing!r} was given.", "Expected 'refuse' or 'drop'.")
    if shared := _by_prefix(Path(source).expanduser()):
        texts = _of_tags(Path(source).expanduser().parent, shared, languages, column)
        return _corpus(Path(source).name, "unknown", texts, on_missing)
    generated = symbol_source(str(source))
    if generated is not None:
        if revision is not None:
            raise ConfigError(f"Revision {revision!r} was asked of {source}.", "Only the hub has revisions.")
        return symbol_corpus(generated, None if languages is None else wanted_codes(languages), column=column)
    inside_hub_layout = None if source == "lab" else parse_folder(str(source))
    if inside_hub_layout:
        texts = read_hub_folder(*inside_hub_layout, languages, column)
        return _corpus(Path(source).name, "unknown", texts, on_missing)
    path = SHIPPED_LAB if source == "lab" else _existing(source)
    if path is not None and revision is not None:
        raise ConfigError(f"Revision {revision!r} was asked of the local path {path}.", "Only the hub has revisions.")
    if path is None:
        name, licence, columns = _from_hub(str(source), languages, column, revision)
    else:
        name, licence, columns = read_local(path, languages, column)
    if source == "lab":
        name, licence = "lab", LAB_LICENCE
    return _corpus(name, licence, columns, on_missing)


def _corpus(name: str, licence: str, columns: Mapping[str, TextColumn], on_missing: OnMissing) -> Corpus:
    ids, texts, dropped = align(columns, on_missing)
    lines = _documents(next(iter(columns.values())))
    documents = tuple(tuple(column[int(row_id) - 1] for row_id in ids) for column in lines)
    return Corpus(name, ids, texts, licence, dropped, documents=documents)


def _documents(column: TextColumn) -> Documents:
    """The documents of the lines of a file that has some beside it; its rows have no other ids than their numbers."""
    path = Path(column.origin)
    shared = shared_name(path.name) if column.ids is None and column.unit == "line" else None
    return () if shared is None else documents_beside(path.with_name(shared), len(column.texts))


def read_local(
    path: Path, languages: Sequence[str] | None, column: str | None = None
) -> tuple[str, str, Mapping[str, TextColumn]]:
    """Name, licence and columns by language of a folder or a file, not yet aligned; raises as `load`."""
    try:
        there = path.exists()
    except OSError as error:  # a name that is too long
        raise CorpusError(f"{str(path)[:200]!r} cannot be read: {error.strerror or error}.") from error
    if not there:
        raise CorpusError(f"There is no {str(path)!r}.", "Expected a folder or a file.")
    if path.is_dir() and is_saved(path):
        return path.resolve().name, "unknown", columns_of(usual(read_saved(path), languages is not None), languages)
    if path.is_dir():
        layout, columns = read_folder(path, languages, column)
        return path.resolve().name if layout is PLAIN else layout.name, layout.licence, columns
    if path.suffix.lower() == ZIP and column is None:
        return path.stem, "unknown", read_archive(path, languages)
    return path.stem, "unknown", _from_file(path, languages, column)


def _existing(source: str | Path) -> Path | None:
    """The path, where something is there; None where the source can only be on the hub; else raises `CorpusError`."""
    path = Path(source).expanduser()
    try:
        if str(source) and path.exists():
            return path
    except OSError as error:
        raise CorpusError(f"{str(source)[:200]!r} cannot be read: {error.strerror or error}.") from error
    if isinstance(source, str) and (find_source(source) or (HUB_ID.fullmatch(source) and not _looks_local(path))):
        return None
    known = ["lab", "symbols", *(record.name for record in SOURCES)]
    like = difflib.get_close_matches(path.name, sorted({*known, *_siblings(path)}), n=3)
    raise CorpusError(
        f"There is no {str(source)[:200]!r}.",
        f"Expected a path, a known name ({', '.join(known)}) or a hub dataset (org/name).",
        f"Did you mean {' or '.join(map(repr, like))}?" if like else "",
    )


def _by_prefix(path: Path) -> Mapping[str, str]:
    """The files `Europarl.de-en.de` and so on of a path `Europarl.de-en`, by language; none if the path is there."""
    try:
        if path.exists() or not path.parent.is_dir() or path.name in ("", "lab") or symbol_source(path.name):
            return {}
        return files_by_language(path.parent, names_in(path.parent), path.name)
    except (OSError, ValueError, CorpusError):
        return {}


def _looks_local(path: Path) -> bool:
    """Whether a name that is not there was meant as a path: a mistyped path must not be looked up on the hub."""
    return data_suffix(path) in {".txt", ZIP, *READERS} or path.parent.exists()


def _siblings(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except (OSError, ValueError):
        return []


def _from_file(path: Path, languages: Sequence[str] | None, column: str | None) -> Mapping[str, TextColumn]:
    layout, read = layout_of(path.name), READERS.get(data_suffix(path))
    if data_suffix(path) == ".txt" and _has_header(path):
        layout, read = None, READERS[".tsv"]
    hint = f"It looks like one language of the layout {layout.name!r}: give the folder {path.parent}." if layout else ""
    if path.suffix.lower() == ZIP:
        raise ConfigError(f"Column {column!r} was asked of {path}.", "There are no columns to choose in an archive.")
    if ARCHIVES.search(path.name):
        hint = "It is an archive: unpack it, and give the folder."
    if read is None or layout:
        raise CorpusError(
            f"{path} is no file with a column for each language.",
            f"Expected one of {', '.join(READERS)}, also compressed ({', '.join(COMPRESSED)}), or a folder.",
            hint,
        )
    if column is not None:
        raise ConfigError(f"Column {column!r} was asked of {path}.", "A table's columns are chosen by languages=[...].")
    return columns_of(usual(read(path), plain=languages is not None), languages)


def _has_header(path: Path) -> bool:
    """Whether a file that is called a text has a header of languages between tabs, as Excel's Unicode text has."""
    names = next(lines_of(path)).split("\t")
    return len(names) > 1 and all(name.strip() == ID or code_or_name(name.strip()) for name in names)


def _from_hub(
    name: str, languages: Sequence[str] | None, column: str | None, revision: str | None
) -> tuple[str, str, Mapping[str, TextColumn]]:
    columns = read_hub(name, languages, column, revision)
    record = find_source(name.split(":")[0])
    return (record.name, record.licence, columns) if record else (name, "unknown", columns)
