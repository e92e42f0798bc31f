"""Bytes to text and text to lines: UTF-8 or refused, lines at newlines only, JSON with its place in the message."""

import bz2
import codecs
import gzip
import io
import json
import logging
import lzma
import re
import stat
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from neuroglot.corpora.columns import place
from neuroglot.errors import CorpusError
from neuroglot.storage import each_once

COMPRESSED: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
MOST_UNPACKED = 8 * 2**30  # bytes
_log = logging.getLogger(__name__)


def read_bytes(path: Path) -> bytes:
    """What a regular file holds; raises `CorpusError` where it is none, cannot be read, or is empty."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CorpusError(f"{path} is a folder or a special file.", "Expected is a regular file.")
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not data:
        raise CorpusError(f"{path} is empty.", "Expected is at least one row.", "Fill it or remove it.")
    return unpacked(path, data)


def unpacked(path: Path, data: bytes) -> bytes:
    """The content of a compressed file (.gz, .bz2, .xz), of others the bytes as they are.

    Raises `CorpusError` where it is damaged, or would fill the memory.
    """
    suffix = path.suffix.lower()
    if suffix not in COMPRESSED:
        return data
    try:
        with COMPRESSED[suffix](io.BytesIO(data)) as stream:
            content: bytes = stream.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise CorpusError(f"{path} cannot be unpacked: {error}.", f"Expected a whole {suffix} file.") from error
    if len(content) > MOST_UNPACKED:
        raise CorpusError(
            f"{path} unpacks to more than {MOST_UNPACKED // 2**30} GiB.", "Expected a corpus that fits into memory.",
            "Unpack it and give a part, or write it as Parquet.",
        )  # fmt: skip
    if not content:
        raise CorpusError(f"{path} holds nothing.", "Expected at least one row.", "Fill it or remove it.")
    return content


def data_suffix(path: Path) -> str:
    """The ending that says what a file holds, without that of its compression: `.tsv` of `texts.tsv.gz`."""
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return plain.suffix.lower()


def read_text(path: Path) -> str:
    """A UTF-8 file, or a UTF-16 one that says so by its byte order mark; marks are left out.

    Raises `CorpusError` with line and byte where it is neither.
    """
    data = read_bytes(path)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _from_utf16(path, data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # `utf-8-sig` counts from behind the mark, the user's hex editor does not
        offset = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        raise CorpusError(
            f"{_at(path, data, offset)}: byte 0x{data[offset]:02x} at offset {offset} of the file is not UTF-8.",
            "Expected is UTF-8 text.",
            "Save the file as UTF-8, for instance with iconv -t UTF-8.",
        ) from None
    if b"\0" in data:
        where = _at(path, data, data.index(b"\0"))
        raise CorpusError(f"{where}: the line holds a NUL byte.", "Expected is UTF-8 text.", "Remove it.")
    if not text:
        raise CorpusError(f"{path} is empty.", "Expected is at least one row.", "Fill it or remove it.")
    return text


def _from_utf16(path: Path, data: bytes) -> str:
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path} begins as UTF-16, and the bytes at offset {error.start} are none.", "Expected UTF-8 or UTF-16.",
            "Save the file as UTF-8.",
        ) from None  # fmt: skip
    if not text.strip():
        raise CorpusError(f"{path} is empty.", "Expected is at least one row.", "Fill it or remove it.")
    _log.info("%s is read as UTF-16, as its first bytes say", path)
    return text


def read_lines(path: Path) -> list[str]:
    r"""The lines of a UTF-8 file, ended by `\n` or `\r\n` and by nothing else.

    `str.splitlines` would also split at U+2028 and others, which stand inside real sentences, and so misalign the rows.
    Raises `CorpusError` as `read_text`, and on a carriage return inside a line, at which some tools do split.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    lines = [line.removesuffix("\r") for line in lines]
    for number, line in enumerate(lines, 1):
        if "\r" in line:
            raise CorpusError(
                f"{path}:{number}: a carriage return stands inside the line.",
                r"Lines end in \n or \r\n.",
                "Replace it by a space, or by a newline where it was meant as one.",
            )
    return lines


def parse_text_json(text: str, path: Path, first_line: int = 1) -> object:
    """One JSON value that starts in `first_line` of the file; raises `CorpusError` with the line where it is not."""
    try:
        return json.loads(text, object_pairs_hook=each_once)
    except json.JSONDecodeError as error:
        where, problem = place(str(path), "line", first_line + error.lineno - 1), f"{error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond what Python takes
        where, problem = place(str(path), "line", first_line), str(error).split(";")[0]
    raise CorpusError(f"{where}: this is not JSON: {problem}.", "Expected is valid JSON.", "Mend the line or the file.")


def _at(path: Path, data: bytes, offset: int) -> str:
    return place(str(path), "line", data.count(b"\n", 0, offset) + 1)


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
        raise CorpusError(
            f"{where}: this is not YAML: {problem}.", "Expected is plain YAML.", "Mend the file."
        ) from None
