"""Bytes to text and text to lines: UTF-8 or refused, lines at newlines only, JSON with its place in the message."""

import bz2
import codecs
import gzip
import json
import lzma
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import yaml

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.columns import place
from neuroglot.corpora.recognised import recognised
from neuroglot.errors import CorpusError
from neuroglot.storage import each_once

COMPRESSED: Mapping[str, Callable[[BinaryIO], Any]] = {
    ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": lambda file: _zstandard(file)
}  # fmt: skip
READ_AT_ONCE = 2**20  # bytes that are unpacked at once
MOST_UNPACKED = 8 * 2**30  # bytes of a file that is held whole
MOST_TIMES = 250  # as many bytes as are packed: text packs to a third, and text that repeats to a hundredth
FREELY_UNPACKED = 64 * 2**20  # bytes to which any file may unpack
LONGEST_LINE = 2**26  # characters
_Part = TypeVar("_Part", str, bytes)


def blocks_of(path: Path) -> Iterator[bytes]:
    """What a regular file holds, unpacked if it is compressed, in blocks.

    Raises `CorpusError` if it is none, cannot be read, is empty or damaged, or unpacks to far more than its size.
    """
    suffix, size = path.suffix.lower(), 0
    packed = size_of(path)
    if suffix in COMPRESSED:
        recognised(f"{path} is unpacked, as its ending {suffix} says")
    try:
        with path.open("rb") as file, COMPRESSED.get(suffix, nullcontext)(file) as stream:
            while block := stream.read(READ_AT_ONCE):
                size += len(block)
                require_room(path, size, packed)
                yield block
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        if suffix in COMPRESSED:
            raise CorpusError(f"{path} cannot be unpacked: {error}.", f"Expected a whole {suffix} file.") from error
        raise CorpusError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not size:
        raise CorpusError(f"{path} holds nothing.", "Expected at least one row.", "Fill it or remove it.")


def size_of(path: Path) -> int:
    """The bytes of a regular file; raises `CorpusError` if it is none or is empty."""
    try:
        status = path.stat()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise CorpusError(f"{path} is a folder or a special file.", "Expected a regular file.")
    if not status.st_size:
        raise CorpusError(f"{path} is empty.", "Expected at least one row.", "Fill it or remove it.")
    return status.st_size


def _zstandard(file: BinaryIO) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(file, "zstd")


def require_room(path: Path, unpacked: int, packed: int) -> None:
    """Raise `CorpusError` if a file unpacks to so much more than its size that it is a trap rather than text."""
    if unpacked > max(FREELY_UNPACKED, MOST_TIMES * packed):
        raise CorpusError(
            f"{path} has {packed:,} bytes and unpacks to {unpacked:,} or more, {unpacked // packed:,} times as many.",
            f"Expected at most {MOST_TIMES} times as many, or {FREELY_UNPACKED // 2**20} MiB.",
            "Unpack it yourself, if it is the text that you mean.",
        )


def read_bytes(path: Path) -> bytes:
    """What a file holds as a whole; raises `CorpusError` as `blocks_of`, and if it would fill the memory."""
    return b"".join(_fitting(path, blocks_of(path)))


def _fitting(path: Path, parts: Iterable[_Part]) -> Iterator[_Part]:
    size = 0
    for part in parts:
        size += len(part)
        if size > MOST_UNPACKED:
            raise CorpusError(
                f"{path} unpacks to more than {MOST_UNPACKED // 2**30} GiB.",
                "Expected a file of this format that fits into memory.",
                "Give a part of it, or write it as TSV, JSON lines or Parquet.",
            )
        yield part


def data_suffix(path: Path) -> str:
    """The ending that says what a file holds, without that of its compression: `.tsv` of `texts.tsv.gz`."""
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return plain.suffix.lower()


def read_text(path: Path) -> str:
    """A whole file as text; raises `CorpusError` as `texts_of`, and if it would fill the memory."""
    return "".join(_fitting(path, texts_of(path)))


def texts_of(path: Path, blocks: Iterator[bytes] | None = None) -> Iterator[str]:
    """The text of a UTF-8 file, or of a UTF-16 one that says so by its byte order mark, in parts; marks are left out.

    `blocks` are given if the file is not one by itself. Raises `CorpusError` with line and byte where it is neither,
    and as `blocks_of`.
    """
    blocks = blocks_of(path) if blocks is None else blocks
    first = next(blocks)
    encoding = "utf-16" if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    if encoding == "utf-16":
        recognised(f"{path} is read as UTF-16, as its first bytes say")
    decoder = codecs.getincrementaldecoder(encoding)()
    content = first.removeprefix(codecs.BOM_UTF8)
    read, lines, is_empty = len(first) - len(content), 1, True
    for block in chain([content], blocks, [None]):
        start = read - len(decoder.getstate()[0])
        try:
            text = decoder.decode(block or b"", final=block is None)
        except UnicodeDecodeError as error:
            raise _undecodable(path, encoding, error, start, lines) from None
        if "\0" in text:
            where = place(str(path), "line", lines + text.count("\n", 0, text.index("\0")))
            raise CorpusError(f"{where}: the line holds a NUL byte.", "Expected UTF-8 text.", "Remove it.")
        read, lines, is_empty = read + len(block or b""), lines + text.count("\n"), is_empty and not text
        yield text
    if is_empty:
        raise CorpusError(f"{path} is empty.", "Expected at least one row.", "Fill it or remove it.")


def _undecodable(path: Path, encoding: str, error: UnicodeDecodeError, start: int, line: int) -> CorpusError:
    """The error of bytes that are no text, of which the first are at the offset `start`, in this line."""
    offset, where = start + error.start, place(str(path), "line", line + error.object.count(b"\n", 0, error.start))
    if encoding == "utf-16":
        return CorpusError(
            f"{path} begins as UTF-16, and the bytes at offset {offset} are none.", "Expected UTF-8 or UTF-16.",
            "Save the file as UTF-8.",
        )  # fmt: skip
    return CorpusError(
        f"{where}: byte 0x{error.object[error.start]:02x} at offset {offset} of the file is not UTF-8.",
        "Expected UTF-8 text.",
        "Save the file as UTF-8, for instance with iconv -t UTF-8.",
    )


def raw_lines(path: Path, blocks: Iterator[bytes] | None = None) -> Iterator[str]:
    r"""The lines of a file as they are, each with its `\n`; raises `CorpusError` as `texts_of`, and on one too long."""
    rest, number = "", 1
    for text in texts_of(path, blocks):
        *whole, rest = (rest + text).split("\n")
        yield from (f"{line}\n" for line in whole)
        number += len(whole)
        if len(rest) > LONGEST_LINE:
            raise CorpusError(
                f"{path}:{number}: the line has more than {LONGEST_LINE:,} characters.", "Expected a text a line.",
                "Break it into lines, one a row.",
            )  # fmt: skip
    if rest:
        yield rest


def lines_of(path: Path, blocks: Iterator[bytes] | None = None) -> Iterator[str]:
    r"""The lines of a UTF-8 file, ended by `\n` or `\r\n` and by nothing else.

    `str.splitlines` would also split at U+2028 and others, which stand inside real sentences, and so misalign the rows.
    Raises `CorpusError` as `raw_lines`, and on a carriage return inside a line, at which some tools do split.
    """
    for number, raw in enumerate(raw_lines(path, blocks), 1):
        line = raw.removesuffix("\n").removesuffix("\r")
        if "\r" in line:
            raise CorpusError(
                f"{path}:{number}: a carriage return stands inside the line.",
                r"Lines end in \n or \r\n.",
                "Replace it by a space, or by a newline where it was meant as one.",
            )
        yield line


def but_for_a_blank_end(lines: Iterable[str]) -> Iterator[str]:
    """The first line, and the others without blank ones behind the last that is not, which editors leave at the end of
    a table.
    """
    blank: list[str] = []
    for number, line in enumerate(lines):
        if not number or "\t" in line or not is_blank(line):
            yield from blank
            blank = []
            yield line
        else:
            blank.append(line)


def read_lines(path: Path) -> list[str]:
    """All of `lines_of`."""
    return list(lines_of(path))


def parse_text_json(text: str, path: Path, first_line: int = 1) -> object:
    """One JSON value that starts in `first_line` of the file; raises `CorpusError` with the line where it is not."""
    try:
        return json.loads(text, object_pairs_hook=each_once)
    except json.JSONDecodeError as error:
        where, problem = place(str(path), "line", first_line + error.lineno - 1), f"{error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond what Python takes
        where, problem = place(str(path), "line", first_line), str(error).split(";")[0]
    raise CorpusError(f"{where}: this is not JSON: {problem}.", "Expected valid JSON.", "Mend the line or the file.")


class _Strict(yaml.SafeLoader):
    """As SafeLoader, without references: a few hundred bytes of them can stand for more than fits into memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="a reference (*)", problem_mark=self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_scalar(self, node: yaml.ScalarNode) -> object:
        value = super().construct_scalar(node)
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise yaml.MarkedYAMLError(problem="half a surrogate pair", problem_mark=node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        found = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value):  # the last of two would win unseen
            raise yaml.MarkedYAMLError(problem="a key stands twice", problem_mark=node.start_mark)
        return found


# YAML 1.1 reads `1e-3` as a text, for want of a point and a sign; YAML 1.2 and people read a number.
EXPONENT = re.compile(r"[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$")
_Strict.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


def read_yaml(path: Path) -> object:
    """The value in a YAML file; raises `CorpusError` with the line on anything else, references and doubled keys."""
    text = read_text(path)
    try:
        return yaml.load(text, _Strict)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = str(getattr(error, "problem", None) or type(error).__name__)[:200]
        raise CorpusError(f"{where}: this is not YAML: {problem}.", "Expected plain YAML.", "Mend the file.") from None
