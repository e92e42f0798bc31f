"""What is read of a file, row by row: in memory if it is little, else in an Arrow file in the hub's cache of assets.

A file that has not changed since is not read again, and hashes of corpora are kept beside its copy. The copy of a file
that has changed is removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from huggingface_hub import cached_assets_path

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.recognised import heard, recognised
from neuroglot.corpora.stored import CODED, Stored, StoredFile, encodes
from neuroglot.errors import ArtifactError, CorpusError
from neuroglot.storage import beside, parse_json, write_whole

MOST_IN_MEMORY = 2**20  # characters of one file; a language of FLORES has an eighth of that
LEAST_KEPT = 2**11  # bytes of a file that may hold so many characters, packed as tightly as is allowed
BATCH_ROWS, BATCH_CHARACTERS = 4096, 2**21
SETTLED_SECONDS = 2.0  # a file that was written later than this before it was read may be written again unseen
_FORMAT = 3  # of what is kept
_ARROW, _FACTS, _UNFINISHED = "rows.arrow", "rows.json", "rows"
_COPY = re.compile("[0-9a-f]{32}")  # its source and how that was read, then its source's state
_IN_COPY = re.compile(r"rows\.arrow|rows\.json|hash-[0-9a-f]{32}\.json|\.(rows|hash-).*~")
RowRead = tuple[Any, ...]


@dataclass(frozen=True)
class ReadRows:
    """Values by column name, the line (or row) of the file in which each row stands."""

    values: Mapping[str, Sequence[Any]]
    places: Sequence[int]


def rows_of_file(path: Path, how: str, names_and_rows: Callable[[], Iterator[RowRead]]) -> ReadRows:
    """What a reader gives of a file: first the names of its columns, then for each row its place and its values.

    Of a large file that was read before in this way (`how`), the copy is taken. Raises `CorpusError` if the file
    changes while it is read, `ArtifactError` if the cache cannot be written.
    """
    before, settled = _state(path)
    source = _digest([_FORMAT, how, str(path.resolve())])[:16]
    identity = source + _digest(list(before))[:16]
    _remove_older(source, identity)
    if settled and before[0] > LEAST_KEPT and (kept := _kept(identity)):
        return kept
    with heard() as sentences:
        given = names_and_rows()
        rows = stored_if_large(next(given), given, identity if settled else "", sentences)
    if isinstance(rows.places, Stored) and _state(path)[0] != before:
        remove_copy(rows.places.file.path.parent)
        raise CorpusError(f"{path} changed while it was read.", "Expected a file that nobody writes.", "Try again.")
    return rows


def _kept(identity: str) -> ReadRows | None:
    """The rows in the cache; None if they are not there, or damaged, or there is no cache."""
    with suppress(ArtifactError):
        folder = _folder() / identity
        if folder.is_dir():
            if rows := _opened(folder, identity):
                return rows
            remove_copy(folder)
    return None


def copies() -> tuple[Path, list[Path]]:
    """Where copies of files are kept, and the folder of each; raises `ArtifactError` if there can be no such place."""
    cache = _folder()
    with _told(cache):
        return cache, sorted(path for path in cache.iterdir() if _is_copy(path))


def remove_copies() -> None:
    """Remove all copies, and what killed processes of this machine left of theirs; raises as `copies`."""
    cache, folders = copies()
    beside(cache / _UNFINISHED)
    for folder in folders:
        remove_copy(folder)


def remove_copy(folder: Path) -> None:
    """Remove the files of a copy, and its folder unless something else lies in it."""
    with suppress(OSError):
        for file in folder.iterdir():
            if _IN_COPY.fullmatch(file.name):
                file.unlink(missing_ok=True)
        folder.rmdir()


def _remove_older(source: str, current: str) -> None:
    """Remove copies of what a source was before."""
    with suppress(ArtifactError):
        for folder in copies()[1]:
            if folder.name.startswith(source) and folder.name != current:
                remove_copy(folder)


def _is_copy(path: Path) -> bool:
    return bool(_COPY.fullmatch(path.name)) and not path.is_symlink() and path.is_dir()


def stored_if_large(
    names: Sequence[str], rows: Iterable[RowRead], identity: str = "", sentences: Iterable[str] = ()
) -> ReadRows:
    """The columns of rows, of which the first value is the place: lists, or on disk from `MOST_IN_MEMORY` on.

    A copy under an `identity` keeps what was recognised: the `sentences` at the end of reading.
    """
    batches, held, characters = _batches(rows), [], 0
    for batch, size in batches:
        held.append((batch, size))
        characters += size
        if characters > MOST_IN_MEMORY:
            return _written(names, chain(held, batches), identity, sentences)
    places, *columns = zip(*chain.from_iterable(batch for batch, _ in held)) if held else [()] * (len(names) + 1)
    return ReadRows(dict(zip(names, map(list, columns))), places)


def numbers_of(texts: Sequence[str]) -> Sequence[str]:
    """The numbers of the rows as text, from 1."""
    if not isinstance(texts, Stored):
        return [str(number + 1) for number in range(len(texts))]
    return texts.beside(1)


def kept_hash(columns: Sequence[Sequence[str]], names: Sequence[str], compute: Callable[[], str]) -> str:
    """A hash of columns; of columns of unchanged files it is kept beside the first one's copy."""
    if not all(isinstance(column, Stored) and column.file.identity for column in columns):
        return compute()
    stored: list[Stored] = columns  # type: ignore[assignment]  # looked at above
    path = stored[0].file.path.with_name(f"hash-{_digest([list(names), *map(_said, stored)])}.json")
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = str(parse_json(path.read_bytes())["hash"])
        if re.fullmatch("[0-9a-f]{16}", kept):
            return kept
    content = compute()
    if path.parent.is_dir():  # the file has not changed since
        with suppress(ArtifactError):  # it is only computed again
            write_whole(path, json.dumps({"hash": content}))
    return content


def _said(column: Stored) -> list[Any]:
    rows = column.rows
    which = repr(rows) if isinstance(rows, range) else hashlib.sha256(rows.tobytes()).hexdigest()
    return [column.file.identity, column.column, which, column.missing]


def _batches(rows: Iterable[RowRead]) -> Iterator[tuple[list[RowRead], int]]:
    batch, size = [], 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) if isinstance(value, str) else len(str(value)) for value in row[1:])
        if len(batch) == BATCH_ROWS or size >= BATCH_CHARACTERS:
            yield batch, size
            batch, size = [], 0
    if batch:
        yield batch, size


def _written(
    names: Sequence[str], batches: Iterable[tuple[list[RowRead], int]], identity: str, sentences: Iterable[str]
) -> ReadRows:
    """The rows in a new folder of the cache; without an identity it is removed when nothing reads it any more."""
    cache = _folder()
    with _told(cache):
        folder = beside(cache / _UNFINISHED)
        folder.mkdir()
        try:
            _write(folder, names, batches, sentences)
            kept = _moved(folder, cache / identity) if identity else folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    identity = "" if kept == folder else identity
    if (rows := _opened(kept, identity, say=False)) is None:
        raise ArtifactError(f"{kept} cannot be read.", "Expected what was just written.", "Remove it and try again.")
    if not identity and isinstance(rows.places, Stored):
        weakref.finalize(rows.places.file, shutil.rmtree, folder, ignore_errors=True)
    return rows


def _moved(folder: Path, kept: Path) -> Path:
    """The folder under its name; if another process was faster, that one's; if what is there is no copy, as it is."""
    try:
        os.replace(folder, kept)
    except OSError:
        if _opened(kept, kept.name, say=False) is None:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
    return kept


def _write(
    folder: Path, names: Sequence[str], batches: Iterable[tuple[list[RowRead], int]], sentences: Iterable[str]
) -> None:
    """The places, the numbers of the rows, and the values, a column each; and what is to be known of them."""
    import pyarrow
    from pyarrow import ipc

    schema = pyarrow.schema([("place", pyarrow.int64())] + [(str(k), pyarrow.string()) for k in range(len(names) + 1)])
    lengths: list[int] = []
    plain = set(range(1, len(names) + 2))
    with pyarrow.OSFile(str(folder / _ARROW), "wb") as file, ipc.new_file(file, schema) as writer:
        for batch, _ in batches:
            places, *columns = zip(*batch)
            first = sum(lengths) + 1
            arrays = [_array(column) for column in (map(str, range(first, first + len(batch))), *columns)]
            plain -= {column for column, (_, is_plain) in enumerate(arrays, 1) if not is_plain}
            values = [pyarrow.array(places, pyarrow.int64()), *(array for array, _ in arrays)]
            writer.write_batch(pyarrow.record_batch(values, schema=schema))
            lengths.append(len(batch))
    facts = {"names": list(names), "lengths": lengths, "plain": sorted(plain), "recognised": list(sentences)}
    facts["file"] = _written_state(folder / _ARROW)
    write_whole(folder / _FACTS, json.dumps([facts, _digest(facts)]))


def _array(values: Iterable[Any]) -> tuple[Any, bool]:
    """Values as Arrow's text, and whether all are plain; what is no plain text is written as JSON."""
    import pyarrow

    values = list(values)
    if all(type(value) is str for value in values) and CODED not in "".join(values):
        with suppress(UnicodeEncodeError):
            return pyarrow.array(values, pyarrow.string()), not any(map(is_blank, values))
    return pyarrow.array(list(map(_coded, values)), pyarrow.string()), False


def _coded(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and CODED not in value and encodes(value)):
        return value
    return CODED + json.dumps(value, default=lambda other: [str(other)])  # what JSON lacks is no text


def _opened(folder: Path, identity: str, say: bool = True) -> ReadRows | None:
    """The rows in a folder, and say what was recognised; None if it does not hold what `_write` wrote."""
    import pyarrow

    try:
        facts, digest = parse_json((folder / _FACTS).read_bytes())
        if digest != _digest(facts) or facts["file"] != _written_state(folder / _ARROW):
            return None
        file = StoredFile(folder / _ARROW, facts["lengths"], frozenset(facts["plain"]), identity)
        rows = range(sum(facts["lengths"]))
        values = {name: Stored(file, column, rows) for column, name in enumerate(facts["names"], 2)}
        file.batch(0, 0)
        sentences = list(map(str, facts["recognised"])) if say else []
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException):
        return None
    for sentence in sentences:
        recognised(sentence)
    return ReadRows(values, Stored(file, 0, rows))


def _state(path: Path) -> tuple[tuple[int, int, int], bool]:
    """Size and times of the last change of a file, and whether they would tell if it changed again."""
    try:
        status = path.stat()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}.") from error
    changed = max(status.st_mtime, status.st_ctime)
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns), time.time() - changed > SETTLED_SECONDS


def _written_state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _folder() -> Path:
    with _told("the hub's cache of assets", (OSError, ValueError)):
        return Path(cached_assets_path("neuroglot", "corpora", "rows"))


@contextmanager
def _told(cache: Path | str, kinds: tuple[type[Exception], ...] = (OSError, ArtifactError)) -> Iterator[None]:
    """Say of a place for copies that cannot be used which variable names another one."""
    try:
        yield
    except kinds as error:
        problem = getattr(error.__cause__ or error, "strerror", None) or error
        raise ArtifactError(
            f"Copies of large texts cannot be kept in {cache}: {problem}.",
            "Expected a folder that can be written, with room for the texts.",
            "Name one in the environment variable HF_ASSETS_CACHE.",
        ) from error


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]
