"""A seeded run of every reader over a few thousand damaged inputs, and inputs that are hostile in known ways."""

import json
import os
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.errors import NeuroglotError
from neuroglot.storage import DEEPEST, HEADER_LIMIT, load_tensors, parse_json
from tests.fuzzing.artefacts import FILE, KINDS, neurons
from tests.fuzzing.mutating import disguises, mutated_value
from tests.fuzzing.oracle import Bench, Found, mutated, read_files, valid_files
from tests.fuzzing.readers import READERS, Reader

INPUTS = 80  # a reader
IN_HAND = frozenset({"protocol", "serving"})  # they read no file: it is how the table hands an argument over
every_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


def must_be_sound(reader: Reader, found: Found, what: object) -> None:
    assert found.outcome != "DEFECT", (reader.name, what, found.detail, found.stack)


def test_the_table_names_every_reader_once() -> None:
    assert len({reader.name for reader in READERS}) == len(READERS) == 41


@every_reader
def test_damaged_inputs_load_or_are_refused(reader: Reader, tmp_path: Path) -> None:
    bench, files = Bench(tmp_path / "bench"), valid_files(reader, tmp_path / "seed")
    assert bench.try_files(reader, files).outcome == "loaded"
    for number in range(round(INPUTS * reader.weight)):
        rng = random.Random(f"{reader.name} test {number}")
        must_be_sound(reader, bench.try_files(reader, mutated(files, rng, bench.marker)), number)


@every_reader
def test_pickles_and_archives_in_disguise_run_nothing(reader: Reader, tmp_path: Path) -> None:
    bench, files = Bench(tmp_path / "bench"), valid_files(reader, tmp_path / "seed")
    for name in sorted(files)[:6]:
        for number, content in enumerate(disguises(bench.marker)):
            must_be_sound(reader, bench.try_files(reader, files | {name: content}), (name, number))


@pytest.mark.parametrize("reader", [one for one in READERS if one.name not in IN_HAND], ids=lambda reader: reader.name)
def test_folders_links_and_pipes_in_place_of_files(reader: Reader, tmp_path: Path) -> None:
    bench, files = Bench(tmp_path / "bench"), valid_files(reader, tmp_path / "seed")
    links = (lambda path: path.symlink_to("/etc/hostname"), lambda path: path.symlink_to(path.name))
    for name in sorted(files)[:6]:
        for place, replace in enumerate((Path.mkdir, *links, os.mkfifo)):
            for other, content in files.items():
                (bench.box / other).parent.mkdir(parents=True, exist_ok=True)
                (bench.box / other).write_bytes(content)
            (bench.box / name).unlink()
            replace(bench.box / name)
            must_be_sound(reader, bench.judge(reader), (name, place))


@given(st.randoms(use_true_random=False))
def test_any_json_that_is_read_is_written_and_read_the_same(rng: random.Random) -> None:
    value = mutated_value({"a": [1, {"b": None}], "c": "d"}, rng)
    try:
        found = parse_json(json.dumps(value))
    except ValueError:
        return
    assert json.dumps(found) == json.dumps(value)
    json.dumps(found, ensure_ascii=False).encode()


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_json_or_refused(content: bytes) -> None:
    try:
        parse_json(content)
    except ValueError:
        return


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2), '{"a": 1, "a": 2}', '"\\ud800"', "9" * 5000]
)
def test_json_that_could_not_be_used_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (of several kinds)
        parse_json(text)


def test_json_as_deep_as_allowed_is_read() -> None:
    assert parse_json("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))


def with_header(content: bytes, change) -> bytes:
    length = struct.unpack("<Q", content[:8])[0]
    header = change(json.loads(content[8 : 8 + length]))
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def ours(**change: object):
    def changed(header: dict) -> dict:
        held = json.loads(header["__metadata__"]["neuroglot"])
        held["header"] |= change
        return header | {"__metadata__": {"neuroglot": json.dumps(held)}}

    return changed


HOSTILE = {
    "a layout of more neurons than memory": ours(layout={"decoder": [10**15]}),
    "a layout of many empty experts": ours(layout={"decoder": [[10**12, 0], 4]}),
    "an infinite layout": ours(layout={"decoder": [1e999]}),
    "a layout whose widths are a text": ours(layout={"decoder": "4"}),
    "a signature of lists": ours(signature={"model": [1, 2]}),
    "a header larger than the limit": ours(signature={"model": "a" * (HEADER_LIMIT + 1)}),
    "a deep header": lambda header: b"[" * 100_000,
    "overlapping tensors": lambda header: header | {"b": header["indices"]},
    "a tensor beyond the file": lambda header: header | {"b": {**header["indices"], "data_offsets": [0, 10**9]}},
    "a negative shape": lambda header: header | {"indices": {**header["indices"], "shape": [-1]}},
    "a type that torch does not have": lambda header: header | {"indices": {**header["indices"], "dtype": "F4"}},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers_are_refused(change, tmp_path: Path) -> None:
    neurons(tmp_path)
    load = next(load for name, _, load, _ in KINDS if name == "neurons")
    assert len(load(tmp_path))
    (tmp_path / FILE).write_bytes(with_header((tmp_path / FILE).read_bytes(), change))
    with pytest.raises(NeuroglotError):
        load(tmp_path)


@pytest.mark.parametrize("length", [0, 7, 2**31, 2**63, 2**64 - 1])
def test_header_lengths_beyond_the_file_are_refused(length: int, tmp_path: Path) -> None:
    neurons(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(struct.pack("<Q", length) + content[8:])
    with pytest.raises(NeuroglotError):
        load_tensors(tmp_path / FILE, "neurons")


def test_files_outside_a_task_or_corpus_are_not_read(tmp_path: Path) -> None:
    described = next(reader for reader in READERS if reader.name == "task described")
    folder = tmp_path / "box"
    folder.mkdir()
    described.make(folder)
    (tmp_path / "escaped.tsv").write_bytes(read_files(folder)["country.tsv"])
    text = (folder / "task.yaml").read_text()
    for name in ("../escaped.tsv", "./../escaped.tsv", str(tmp_path / "escaped.tsv"), "..\\\\escaped.tsv", "C:/x.tsv"):
        (folder / "task.yaml").write_text(text.replace("country.tsv", name))
        with pytest.raises(NeuroglotError, match="Expected a file or folder in the folder"):
            described.load(folder)
