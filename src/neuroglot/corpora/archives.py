"""Line-aligned files in a zip archive, as OPUS releases them; they are read where they are, and nothing is unpacked."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from neuroglot.corpora.columns import TextColumn
from neuroglot.corpora.endings import ends_in_language, files_by_language
from neuroglot.corpora.languages import choose
from neuroglot.corpora.storing import rows_of_file
from neuroglot.corpora.textfiles import COMPRESSED, READ_AT_ONCE, lines_of, require_room, size_of
from neuroglot.errors import CorpusError

UNPACK = "Unpack it yourself, and give the folder."
_DAMAGED = (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def read_archive(path: Path, languages: Sequence[str] | None) -> dict[str, TextColumn]:
    """A column of each file whose ending is a language; raises `CorpusError` if they are not those of one corpus."""
    names = _names(path)
    try:
        tags = files_by_language(path, names)
    except CorpusError as error:  # several corpora
        raise CorpusError(error.got, error.expected, UNPACK) from None
    strangers = [name for name in names if name not in tags and ends_in_language(Path(name).name)]
    if not tags or (strangers and languages is None):
        held = ", ".join(strangers[:5] if tags else names[:5]) or "there are no files"
        raise CorpusError(
            f"{path} is an archive {'with files that are in no corpus' if tags else 'without text files by language'}: "
            f"{held}.",
            "Expected such as Europarl.de-en.de and Europarl.de-en.en.",
            "Say which languages to take with --languages (languages=[...])." if tags else UNPACK,
        )
    return {code: _column(path, name) for code, name in choose(tags, languages, str(path)).items()}


def _names(path: Path) -> list[str]:
    """The files in an archive that are not hidden; raises `CorpusError` if one is there twice, or packed once more."""
    size_of(path)
    try:
        with zipfile.ZipFile(path) as archive:
            counts = Counter(info.filename for info in archive.infolist() if not info.is_dir())
    except (*_DAMAGED, ValueError) as error:
        raise _damaged(path, error) from error
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        raise CorpusError(f"{path} holds {twice!r} twice.", "Expected each file once.", UNPACK)
    names = sorted(name for name in counts if not Path(name).name.startswith(".") and "__MACOSX" not in name)
    packed = [name for name in names if Path(name).suffix.lower() in {*COMPRESSED, ".zip"}]
    if packed and len(packed) == len(names):
        raise CorpusError(
            f"{path} holds files that are packed once more: {', '.join(packed[:5])}.", "Expected plain text.", UNPACK
        )
    return [name for name in names if name not in packed]


def _column(path: Path, name: str) -> TextColumn:
    shown = path / name
    read = rows_of_file(
        path, f"lines of {name}", lambda: chain([("text",)], enumerate(lines_of(shown, _blocks(path, name)), 1))
    )
    return TextColumn(str(shown), read.values["text"], read.places)


def _blocks(path: Path, name: str) -> Iterator[bytes]:
    """What a file in an archive holds, in blocks; raises `CorpusError` as `blocks_of`, and if it is encrypted."""
    size = 0
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(name)
            if info.flag_bits & 1:
                raise CorpusError(f"{path / name} is encrypted.", "Expected a file without a password.", UNPACK)
            packed = max(1, min(info.compress_size, size_of(path)))  # the archive may say anything of itself
            with archive.open(info) as file:
                while block := file.read(READ_AT_ONCE):
                    size += len(block)
                    require_room(path / name, size, packed)
                    yield block
    except _DAMAGED as error:
        raise _damaged(path / name, error) from error
    if not size:
        raise CorpusError(f"{path / name} holds nothing.", "Expected at least one row.", "Fill it or remove it.")


def _damaged(path: Path, error: Exception) -> CorpusError:
    return CorpusError(f"{path} cannot be unpacked: {error}.", "Expected a whole zip archive.")
