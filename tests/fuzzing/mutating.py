"""Mutations of valid files that know their structure: bytes, JSON, safetensors, zip archives."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]

DEEP = b"[" * 5000
ODD_BYTES = (
    b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\r\n", b"\n", b"\n\n", b"\t", b'"', b'""', b",", b"\xed\xa0\x80",
    b"\xff", b"\xe2\x80\xa8", b"\x1c", b"\x85", b"{", b"}", b"[", b"]", b":", b"'", b"&a ", b"*a", b"<<: *a\n", b"!!x ",
    b"!!python/object/apply:os.system [true]", b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"\\ud800",
    b"../../escaped", b"a" * 70_000, DEEP, b'{"a":' * 5000, "９".encode(), "²".encode(),
    "ß\u0301\u200f".encode(), b"-", b"#", b"%s{0}",
)  # fmt: skip
PICKLE_NAME = "unpickled"


class Attack:
    """What a hostile pickle looks like: unpickling it would write a file."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.marker, "w")


def numbers_and_more(rng: random.Random) -> Any:
    """A JSON value that is most often of the wrong type, or far out of range."""
    deep: Any = 0
    for _ in range(rng.choice((3, 150, 900))):
        deep = [deep]
    return rng.choice((
        None, True, False, 0, -1, 1, 2, 7, 2**31, 2**63, 2**64, 10**18, 10**40, -(10**18), 0.5, -0.0, 1e308,
        float("nan"), float("inf"), -float("inf"), "", " ", "0", "-1", "1.5", "nan", "\ud800", "\0", "../../escaped",
        "/etc/passwd", "de", "a" * 1000, "\u202e\u0301", "__class__", [], {}, [[]], [0], [1, 2], [1, 2, 3], [None],
        {"": None}, {"de": 1},
        {"a": {"b": []}}, ["x", "x"], deep, list(range(50)),
    ))  # fmt: skip


def mutated_value(value: Any, rng: random.Random) -> Any:
    """A JSON value with one place changed: replaced, removed, doubled, renamed or exchanged."""
    places = list(_places(value))
    if not places:
        return numbers_and_more(rng)
    parent, key = rng.choice(places)
    change = rng.randrange(6)
    if change == 0:
        del parent[key]
    elif change == 1 and isinstance(parent, list):
        parent.insert(key, parent[key])
    elif change == 1:
        parent[rng.choice((f"{key}2", "", "extra", "id", "\ud800", "../../escaped"))] = parent.pop(key)
    elif change == 2:
        other, place = rng.choice(places)
        if place in other if isinstance(other, dict) else place < len(other):
            parent[key] = json.loads(json.dumps(other[place]))
    elif change == 3 and type(parent[key]) in (int, float):
        parent[key] = rng.choice((parent[key] + 1, parent[key] - 1, -parent[key], float(parent[key]), str(parent[key])))
    else:
        parent[key] = numbers_and_more(rng)
    return value


def _places(value: Any) -> Any:
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, part in items:
        yield value, key
        yield from _places(part)


def flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"0")
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    """Truncated, or without a part."""
    start, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    return rng.choice((data[:start], data[start:], data[:start] + data[end:]))


def spliced(data: bytes, rng: random.Random) -> bytes:
    """With a part of itself put somewhere else."""
    start, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    place = rng.randrange(len(data) + 1)
    return data[:place] + data[start:end] + data[place:]


def odd(data: bytes, rng: random.Random) -> bytes:
    """With bytes put in, or put over others, that formats trip over."""
    piece, place = rng.choice(ODD_BYTES), rng.choice((0, len(data), rng.randrange(len(data) + 1)))
    return data[:place] + piece + data[place + rng.choice((0, 1, len(piece))) :]


def lines_changed(data: bytes, rng: random.Random) -> bytes:
    """With a line removed, doubled, moved or joined to the next, or other ends of lines."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    change = rng.randrange(5)
    if change == 0:
        lines.pop(place)
    elif change == 1:
        lines.insert(rng.randrange(len(lines) + 1), lines[place])
    elif change == 2:
        lines[place] += b"\r"
    elif change == 3:
        lines[place] = b""
    else:
        return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"", b" ")))
    return b"\n".join(lines)


def recoded(data: bytes, rng: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8-sig")), "replace")


def json_changed(data: bytes, rng: random.Random) -> bytes:
    """JSON, or one line of JSON lines, with one to three places changed."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    if data.count(b"\n{") and lines[place]:
        lines[place] = _dumped(_changed(json.loads(lines[place]), rng), rng)
        return b"\n".join(lines)
    return _dumped(_changed(json.loads(data), rng), rng)


def _changed(value: Any, rng: random.Random) -> Any:
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = mutated_value(value, rng)
    return value


def _dumped(value: Any, rng: random.Random) -> bytes:
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.05 and text.startswith("{") and len(text) > 2:
        text = "{" + text[1:-1] + ", " + text[1:-1] + "}"  # every key twice
    return text.encode("utf-8", "surrogatepass")


def yaml_changed(data: bytes, rng: random.Random) -> bytes:
    """YAML with a place changed; JSON is YAML."""
    import yaml

    return _dumped(_changed(json.loads(json.dumps(yaml.safe_load(data))), rng), rng)


def safetensors_changed(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file with a change in our header, the tensors' header, its length, or the tensors."""
    length = struct.unpack("<Q", data[:8])[0]
    header, body = data[8 : 8 + length], data[8 + length :]
    change = rng.choice(("ours", "ours", "ours", "theirs", "length", "body", "type"))
    if change == "length":
        wrong = rng.choice((0, 1, length - 1, length + 1, len(data), 2**31, 2**63, 2**64 - 1, 100_000_001))
        return struct.pack("<Q", wrong % 2**64) + header + body
    if change == "body":
        return data[: 8 + length] + rng.choice((flip, cut, odd, _filled))(body, rng)
    found = json.loads(header)
    if change == "ours":
        held = json.loads(found["__metadata__"]["neuroglot"])
        found["__metadata__"]["neuroglot"] = _dumped(_changed(held, rng), rng).decode("utf-8", "replace")
    elif change == "type":
        body = _retyped(found, body, rng)
    else:
        found = _changed(found, rng)
    header = json.dumps(found).encode()
    return struct.pack("<Q", len(header)) + header + body


def _filled(body: bytes, rng: random.Random) -> bytes:
    """One value, eight bytes wide, over and over: −1, the largest integer, NaN, infinity."""
    value = rng.choice((b"\xff" * 8, b"\xff" * 7 + b"\x7f", struct.pack("<d", float("nan")), struct.pack("<d", 1e400)))
    return (value * (len(body) // 8 + 1))[: len(body)]


WIDTHS = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1,
    "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8, "F8_E8M0": 1,
}  # fmt: skip


def _retyped(found: dict[str, Any], body: bytes, rng: random.Random) -> bytes:
    """Give one tensor another type, shape or name, the file staying whole; the bytes of the tensors."""
    names = [name for name in found if name != "__metadata__"]
    parts = {name: body[slice(*found[name]["data_offsets"])] for name in names}
    name = rng.choice(names)
    change = rng.randrange(4)
    if change == 0:
        kind = rng.choice(list(WIDTHS))
        shape = found[name]["shape"]
        count = 1
        for size in shape:
            count *= size
        parts[name] = (parts[name] * 9)[: count * WIDTHS[kind]]
        found[name]["dtype"] = kind
    elif change == 1:
        shape = rng.choice(([], [0], [len(parts[name]), 0], found[name]["shape"][::-1], [1, *found[name]["shape"]]))
        if 0 in shape:
            parts[name] = b""
        found[name]["shape"] = shape
    elif change == 2:
        found[rng.choice(("extra", "", "0", "../../escaped", "fired", "\u202e"))] = dict(found.pop(name))
        parts = {left: parts.get(left, parts[name]) for left in found if left != "__metadata__"}
    else:
        del found[name], parts[name]
    start = 0
    for left, part in parts.items():
        found[left]["data_offsets"] = [start, start + len(part)]
        start += len(part)
    return b"".join(parts.values())


def zip_changed(data: bytes, rng: random.Random) -> bytes:
    """A zip archive, its checksums right, with one member changed, renamed, doubled or taken out."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    place = rng.randrange(len(members))
    name, content = members[place]
    change = rng.randrange(5)
    if change == 0:
        members.pop(place)
    elif change == 1:
        members[place] = rng.choice(("../../escaped", "/tmp/escaped", "a/data.pkl", "\\..\\x", name + "/")), content
    elif change == 2:
        members.append((name + "2", content))
    else:
        members[place] = name, rng.choice((flip, cut, odd, spliced))(content, rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for one, bytes_of in members:
            archive.writestr(one, bytes_of)
    return buffer.getvalue()


BYTES: tuple[Mutation, ...] = (flip, cut, spliced, odd)
TEXT: tuple[Mutation, ...] = (*BYTES, lines_changed, lines_changed, recoded)
JSON: tuple[Mutation, ...] = (json_changed,) * 6 + TEXT
YAML: tuple[Mutation, ...] = (yaml_changed,) * 6 + TEXT
TENSORS: tuple[Mutation, ...] = (safetensors_changed,) * 8 + BYTES
ARCHIVE: tuple[Mutation, ...] = (zip_changed,) * 4 + BYTES
OF_SUFFIX = {
    ".safetensors": TENSORS, ".json": JSON, ".jsonl": JSON, ".ndjson": JSON, ".yaml": YAML, ".pt": ARCHIVE,
    ".pth": ARCHIVE, ".parquet": BYTES,
}  # fmt: skip


def disguises(marker: str) -> tuple[bytes, ...]:
    """Contents that are none of the formats, and that would write `marker` where they were unpickled."""
    import pickle

    import torch

    payload, buffer, archived = pickle.dumps(Attack(marker)), io.BytesIO(), io.BytesIO()
    torch.save([[Attack(marker)]], buffer)
    with zipfile.ZipFile(archived, "w") as archive:
        for name in ("../../escaped", "archive/data.pkl", "data.pkl", "archive/version"):
            archive.writestr(name, payload)
    old = io.BytesIO()
    torch.save([[Attack(marker)]], old, _use_new_zipfile_serialization=False)
    return b"", b"\0" * 64, payload, buffer.getvalue(), archived.getvalue(), old.getvalue(), b"PAR1" + payload + b"PAR1"
