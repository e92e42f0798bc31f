"""Corpora on disk: all that a corpus in memory gives, from a copy that is believed only while its file is the same."""

import bz2
import errno
import gc
import gzip
import hashlib
import json
import lzma
import os
import re
import subprocess
import sys
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from unittest import mock

import numpy as np
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from neuroglot import corpora
from neuroglot.corpora import Corpus, seen, shapes, storing, tables, textfiles
from neuroglot.corpora.columns import first_repeated
from neuroglot.corpora.seen import rows_with, text_hashes
from neuroglot.corpora.stored import Stored
from neuroglot.corpora.suspicion import counted_suspicions, counts_by_kind, sifted, suspicions
from neuroglot.errors import ArtifactError, CorpusError
from neuroglot.models import gguf
from neuroglot.storage import beside
from tests.corpora import writing

ROWS = 20
TEXTS = {
    "de": [f"Satz {n % 17} mit Wörtern, die lang genug sind" for n in range(ROWS)],
    "en": [f"line {n} of the same text" for n in range(ROWS)],
    "sw": ["n/a" if n == 4 else f"mstari {n // 2}" for n in range(ROWS)],
}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing stays in memory, batches have three rows, and every file is old enough."""
    folder = tmp_path_factory.mktemp("cache")
    for name, value in {"MOST_IN_MEMORY": 0, "LEAST_KEPT": 0, "BATCH_ROWS": 3, "SETTLED_SECONDS": -1}.items():
        monkeypatch.setattr(storing, name, value)
    monkeypatch.setattr(storing, "cached_assets_path", lambda *_: folder)
    return folder


def packed(write: Callable[[Path, writing.Texts], Path], ending: str, pack: Callable[[bytes], bytes]) -> Callable:
    def written(folder: Path, texts: writing.Texts) -> Path:
        plain = write(folder, texts)
        path = plain.with_name(plain.name + ending)
        path.write_bytes(pack(plain.read_bytes()))
        plain.unlink()
        return path

    return written


def nested(folder: Path, texts: writing.Texts) -> Path:
    rows = [{"id": n, "translation": dict(zip(texts, row))} for n, row in enumerate(zip(*texts.values()), 1)]
    polars.DataFrame(rows).write_parquet(folder / "a.parquet")
    return folder / "a.parquet"


def saved(folder: Path, texts: writing.Texts) -> Path:
    polars.DataFrame(dict(texts)).write_ipc_stream(folder / "data.arrow")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    return folder


LAYOUTS = {
    "lines": writing.lines,
    "tsv": writing.tsv,
    "csv": writing.csv_file,
    "jsonl": writing.jsonl,
    "parquet": writing.parquet,
    "nested parquet": nested,
    "saved": saved,
    "gz": packed(writing.tsv, ".gz", gzip.compress),
    "bz2": packed(writing.jsonl, ".bz2", bz2.compress),
    "xz": packed(writing.csv_file, ".xz", lzma.compress),
    "zst": packed(writing.tsv, ".zst", lambda content: pyarrow.compress(content, "zstd", asbytes=True)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_corpus_on_disk_is_the_one_in_memory(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = LAYOUTS[layout](tmp_path, TEXTS)
    stored = corpora.load(path)
    monkeypatch.setattr(storing, "MOST_IN_MEMORY", 10**6)
    monkeypatch.setattr(storing, "rows_of_file", lambda *_: pytest.fail("the cache is asked first"))
    held = Corpus(stored.name, stored.ids, {language: tuple(column) for language, column in TEXTS.items()})
    assert all(isinstance(column, Stored) for column in stored.texts.values())
    assert {language: [*column] for language, column in stored.texts.items()} == TEXTS
    assert [*stored.ids] == [str(number) for number in range(1, ROWS + 1)]
    assert stored.texts == held.texts
    assert stored.hash == held.hash


def both(folder: Path, texts: dict[str, list[str]]) -> tuple[Corpus, Corpus]:
    stored = corpora.load(writing.jsonl(folder, texts))
    assert isinstance(stored.ids, Stored)
    return stored, Corpus("held", tuple(stored.ids), {g: tuple(column) for g, column in texts.items()})


def test_what_is_taken_of_it_is_what_is_taken_of_one_in_memory(tmp_path: Path) -> None:
    stored, held = both(tmp_path, TEXTS)
    rows = [7, 3, 19, 0, 8]
    for take in (
        lambda corpus: corpus.take(rows), lambda corpus: corpus.take(rows).take([4, 0]), lambda corpus: corpus.head(7),
        lambda corpus: corpus.take(range(4, 17)), lambda corpus: corpus.take(range(4, 17)).take(range(2, 9, 3)),
        lambda corpus: corpus.take([2, 5, 2]), lambda corpus: corpus.select(["sw", "de"]),
        lambda corpus: corpus.split(0.4, seed=3)[0], lambda corpus: corpus.split(0.4, seed=3)[1].head(5),
        lambda corpus: sifted(corpus, "drop"), lambda corpus: corpus.take(range(9, 2, -1)),
        lambda corpus: corpus.take(range(5, -1, -1)), lambda corpus: corpus.take(range(len(corpus) - 1, -1, -1)),
        lambda corpus: corpus.take(range(4, 17)).take(range(12, -1, -4)), lambda corpus: corpus.take(range(-3, 0)),
    ):  # fmt: skip
        of_stored, of_held = take(stored), take(held)
        assert tuple(of_stored.ids) == tuple(of_held.ids)
        assert {g: tuple(column) for g, column in of_stored.texts.items()} == dict(of_held.texts)
        assert of_stored.hash == of_held.hash
        assert [of_stored.texts[g][row] for g in of_held.languages for row in range(-2, 2)] == [
            of_held.texts[g][row] for g in of_held.languages for row in range(-2, 2)
        ]
        assert tuple(of_stored.texts["de"][1:4]) == of_held.texts["de"][1:4]
        assert of_stored.distinct == of_held.distinct
        assert text_hashes(of_stored) == text_hashes(of_held)
    known = text_hashes(held.take([1, 2]).select(["en"]))
    assert rows_with(stored, known) == rows_with(held, known) == 2
    assert counted_suspicions(stored.texts)[0] == counts_by_kind(suspicions(held.texts)) == {"sw": {"gap marker": 1}}


def test_rows_beyond_the_end_are_refused_as_in_memory(tmp_path: Path) -> None:
    for corpus in both(tmp_path, TEXTS):
        with pytest.raises(IndexError):
            corpus.take(range(len(corpus) - 2, len(corpus) + 3))


WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30)


def groups_of(columns: list[list[str]]) -> list[int]:
    """The lowest row that each row is joined with, by joining again until nothing changes."""
    group = list(range(len(columns[0])))
    for _ in group:
        for row in range(len(group)):
            texts = {column[row] for column in columns}
            group[row] = min(
                group[other] for other in range(len(group)) if texts & {column[other] for column in columns}
            )
    return group


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("abcdefghijkl")), min_size=1, max_size=25))
def test_rows_that_share_a_text_have_one_number(rows: list[tuple[str, str]]) -> None:
    columns = [list(column) for column in zip(*rows)]
    corpus = Corpus("c", tuple(map(str, range(len(rows)))), dict(zip(("de", "en"), columns)))
    assert list(corpus.distinct) == groups_of(columns)
    assert corpus.duplicates == len(rows) - len(set(groups_of(columns)))
    if len(set(corpus.distinct)) > 1:
        first, second = corpus.split(0.5)
        assert not text_hashes(first) & text_hashes(second)  # else one part could not prove what the other chose


@given(WORDS)
def test_the_first_repeated_text_is_found(words: list[str]) -> None:
    again = next((row for row, word in enumerate(words) if word in words[:row]), None)
    assert first_repeated(words) == (None if again is None else (words.index(words[again]), again))


@given(st.lists(st.integers(0, 9), max_size=30))
def test_each_hash_is_kept_once_in_order(numbers: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "MOVED_AT_ONCE", 4)
        patch.setattr(seen, "_text_hash", int)
        corpus = Corpus("c", tuple(map(str, range(len(numbers) + 1))), {"de": ("7", *map(str, numbers))})
        assert seen.sorted_hashes(corpus).tolist() == sorted({7, *numbers})


def test_the_hash_is_that_of_the_whole_as_json(tmp_path: Path) -> None:
    stored, _ = both(tmp_path, TEXTS | {"zh": ["文"] * ROWS})
    whole = json.dumps(
        [list(stored.ids), [[g, list(column)] for g, column in stored.texts.items()]],
        ensure_ascii=False, separators=(",", ":"),
    )  # fmt: skip
    assert stored.hash == hashlib.sha256(whole.encode()).hexdigest()[:16]


def test_rows_without_a_text_are_dropped_or_named(tmp_path: Path) -> None:
    texts = TEXTS | {"en": ["  " if row in (5, 6) else text for row, text in enumerate(TEXTS["en"])]}
    path = writing.jsonl(tmp_path, texts)
    with pytest.raises(CorpusError, match=r"jsonl:6: the text in 'en' is empty.*2 of 20 rows"):
        corpora.load(path)
    corpus = corpora.load(path, on_missing="drop")
    assert (corpus.dropped, len(corpus)) == (2, 18)
    assert tuple(corpus.ids) == tuple(str(n + 1) for n in range(ROWS) if n not in (5, 6))
    assert tuple(corpus.texts["de"]) == tuple(text for n, text in enumerate(TEXTS["de"]) if n not in (5, 6))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "a", "de": "x"}, {"id": "b", "de": "y"}, {"id": "a", "de": "z"}], "jsonl:3: the id 'a' stands at"),
        ([{"de": "x"}, {"de": 3}], "jsonl:2: 'de' is '3', a value of type int"),
        ([{"de": "x"}, {"de": "\ud800"}], "jsonl:2: the text holds half a surrogate pair"),
        ([{"de": "x"}, {"de": "a\0b"}], "jsonl:2: the text holds a NUL"),
    ],
)
def test_what_is_refused_in_memory_is_refused_on_disk(rows: list[dict], said: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(CorpusError) as refused:
        corpora.load(tmp_path / "a.jsonl")
    assert said in str(refused.value)


def test_numbers_as_ids_and_values_beside_texts_are_kept_as_they_are(tmp_path: Path) -> None:
    rows = [{"id": n, "de": f"Satz {n}", "score": n / 2, "domain": None} for n in range(5)]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert [*tables.read_jsonl(tmp_path / "a.jsonl").values["score"]] == [row["score"] for row in rows]
    assert tuple(corpora.load(tmp_path / "a.jsonl").ids) == ("0", "1", "2", "3", "4")


def test_a_long_parquet_table_is_put_together_by_id(tmp_path: Path) -> None:
    """Its ids were not looked at: rows in another order were taken for translations."""
    rows = [("b", "de", "B"), ("a", "de", "A"), ("a", "en", "a"), ("b", "en", "b")]
    polars.DataFrame(rows, schema=["id", "language", "text"], orient="row").write_parquet(tmp_path / "a.parquet")
    corpus = corpora.load(tmp_path / "a.parquet")
    assert set(zip(*corpus.texts.values())) == {("A", "a"), ("B", "b")}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The files of which the bytes were read."""
    read, blocks_of = [], textfiles.blocks_of

    def noted(path: Path) -> Iterator[bytes]:
        read.append(path)
        return blocks_of(path)

    monkeypatch.setattr(textfiles, "blocks_of", noted)
    return read


def test_a_file_is_read_again_only_if_it_changed(tmp_path: Path, reads: list[Path]) -> None:
    path = writing.lines(tmp_path, TEXTS)
    first = corpora.load(path)
    assert len(reads) == 3
    assert corpora.load(path).texts == first.texts
    assert len(reads) == 3
    times = (path / "de.txt").stat()
    (path / "de.txt").write_text("\n".join(text.replace("Satz", "SATZ") for text in TEXTS["de"]) + "\n")
    os.utime(path / "de.txt", ns=(times.st_atime_ns, times.st_mtime_ns))  # of the same size, and as old as it was
    changed = corpora.load(path)
    assert len(reads) == 4
    assert changed.texts["de"][0].startswith("SATZ")
    assert changed.hash != first.hash


def test_a_file_that_was_just_written_is_not_believed_the_next_time(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(storing, "SETTLED_SECONDS", 60)
    path = writing.lines(tmp_path, TEXTS)
    corpora.load(path)
    corpus = corpora.load(path)
    assert len(reads) == 6
    assert len(list(cache.iterdir())) >= 3
    del corpus
    gc.collect()
    assert list(cache.iterdir()) == []  # nothing is kept of it


@pytest.mark.parametrize("name", ["rows.arrow", "rows.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", None])
def test_a_damaged_copy_is_made_again(name: str, content: bytes | None, tmp_path: Path, cache: Path) -> None:
    path = writing.tsv(tmp_path, TEXTS)
    hash_before = corpora.load(path).hash
    (kept,) = cache.glob(f"*/{name}")
    kept.unlink() if content is None else kept.write_bytes(content)
    corpus = corpora.load(path)
    assert corpus.hash == hash_before
    assert [*corpus.texts["de"]] == TEXTS["de"]


@pytest.mark.parametrize(
    ("key", "value"), [("lengths", []), ("lengths", [3, 3, 99]), ("names", ["de", "en"]), ("plain", [])]
)
def test_a_copy_of_which_other_things_are_said_is_made_again(
    key: str, value: object, tmp_path: Path, cache: Path
) -> None:
    path = writing.tsv(tmp_path, TEXTS)
    corpora.load(path)
    (kept,) = cache.glob("*/rows.json")
    facts, digest = json.loads(kept.read_text())
    kept.write_text(json.dumps([facts | {key: value}, digest]))
    assert {code: [*texts] for code, texts in corpora.load(path).texts.items()} == TEXTS
    assert json.loads(kept.read_text()) == [facts | {"file": json.loads(kept.read_text())[0]["file"]}, mock.ANY]


def test_a_damaged_copy_that_holds_something_else_is_read_around(tmp_path: Path, cache: Path) -> None:
    path = writing.tsv(tmp_path, TEXTS)
    corpora.load(path)
    (copy,) = cache.iterdir()
    (copy / "notes.txt").write_text("mine")
    (copy / "rows.arrow").write_bytes(b"")
    corpus = corpora.load(path)
    assert {code: [*texts] for code, texts in corpus.texts.items()} == TEXTS
    assert (copy / "notes.txt").read_text() == "mine"
    del corpus
    gc.collect()
    assert [entry.name for entry in cache.iterdir()] == [copy.name]  # nothing is kept of it


def test_the_hash_is_computed_once_and_again_if_it_was_damaged(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = writing.tsv(tmp_path, TEXTS)
    computed: list[str] = []
    compute = Corpus._hash
    monkeypatch.setattr(Corpus, "_hash", lambda corpus: computed.append(corpus.name) or compute(corpus))
    first, part = corpora.load(path).hash, corpora.load(path).split(0.5)[0].hash
    assert (corpora.load(path).hash, corpora.load(path).split(0.5)[0].hash) == (first, part)
    assert len(computed) == 2
    assert len({first, part, corpora.load(path).split(0.5, seed=1)[0].hash}) == 3
    for kept in cache.glob("*/hash-*.json"):
        kept.write_text('{"hash": "no hash"}')
    assert corpora.load(path).hash == first


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = writing.tsv(tmp_path, TEXTS)
    lines_of = tables.lines_of

    def written_meanwhile(path: Path) -> Iterator[str]:
        yield from lines_of(path)
        with path.open("a") as file:
            file.write("\t\t\n")

    monkeypatch.setattr(tables, "lines_of", written_meanwhile)
    with pytest.raises(CorpusError, match="changed while it was read"):
        corpora.load(path)


def test_without_a_cache_small_files_are_read_and_large_ones_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: str) -> Path:
        raise PermissionError("read-only")

    monkeypatch.setattr(storing, "cached_assets_path", read_only)
    path = writing.tsv(tmp_path, TEXTS)
    with pytest.raises(ArtifactError, match="HF_ASSETS_CACHE"):
        corpora.load(path)
    monkeypatch.setattr(storing, "MOST_IN_MEMORY", 10**6)
    assert len(corpora.load(path)) == ROWS


@pytest.mark.parametrize("failing", ["folder", "facts"])
def test_a_cache_that_cannot_be_written_names_the_variable(
    failing: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere: a file stands for the folder, and a full disk for the facts."""

    def full(path: Path, content: str) -> None:
        raise ArtifactError(f"{path} cannot be written.") from OSError(errno.ENOSPC, "No space left on device")

    if failing == "folder":
        (tmp_path / "file").write_text("")
        monkeypatch.setattr(storing, "cached_assets_path", lambda *_: tmp_path / "file")
    else:
        monkeypatch.setattr(storing, "write_whole", full)
    said = {"folder": "file: Not a directory", "facts": f"{cache}: No space left on device"}[failing]
    with pytest.raises(ArtifactError) as refused:
        corpora.load(writing.tsv(tmp_path, TEXTS))
    assert said in str(refused.value)
    assert "HF_ASSETS_CACHE" in str(refused.value)
    assert list(cache.iterdir()) == []


def changed(path: Path, ending: str = "more") -> None:
    path.write_text(path.read_text().rstrip("\n") + f" {ending}\n")


def test_only_the_copy_of_what_a_file_is_now_is_kept(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "lines").mkdir()
    folder, other = writing.lines(tmp_path / "lines", TEXTS), writing.tsv(tmp_path, TEXTS)
    assert (corpora.load(folder).hash, corpora.load(other).hash)[0]
    before = {path.name for path in cache.iterdir()}
    assert len(before) == len(TEXTS) + 1
    changed(folder / "de.txt")
    corpus = corpora.load(folder)
    now = {path.name for path in cache.iterdir()}
    assert (len(now), len(before & now)) == (len(before), len(before) - 1)
    assert corpora.load(folder).texts == corpus.texts


def test_the_copy_of_a_file_that_is_small_now_is_removed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = writing.tsv(tmp_path, TEXTS)
    corpora.load(path)
    monkeypatch.setattr(storing, "MOST_IN_MEMORY", 10**6)
    monkeypatch.setattr(storing, "LEAST_KEPT", 10**6)
    changed(path)
    corpora.load(path)
    assert list(cache.iterdir()) == []


def test_nothing_that_is_not_ours_is_removed(tmp_path: Path, cache: Path) -> None:
    """Files in a copy, folders with other names, and what a link leads to stay."""
    path = writing.tsv(tmp_path, TEXTS)
    corpora.load(path)
    (copy,) = cache.iterdir()
    (copy / "notes.txt").write_text("mine")
    (cache / "rows").mkdir()
    (cache / "rows" / "rows.json").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "rows.json").write_text("mine")
    (cache / f"{copy.name[:16]}{'0' * 16}").symlink_to(tmp_path / "elsewhere")
    changed(path)
    corpora.load(path)
    assert [file.name for file in copy.iterdir()] == ["notes.txt"]
    assert (cache / "rows" / "rows.json").read_text() == (tmp_path / "elsewhere" / "rows.json").read_text() == "mine"


@pytest.mark.parametrize(("characters", "is_stored"), [(10, False), (11, True)])
def test_what_has_more_characters_than_are_held_is_on_disk(
    characters: int, is_stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_IN_MEMORY", 10)
    rows = storing.stored_if_large(["de"], [(1, "a" * 4), (2, "b" * (characters - 4))])
    assert isinstance(rows.values["de"], Stored) == is_stored
    assert [*rows.values["de"]] == ["a" * 4, "b" * (characters - 4)]


def test_what_is_open_can_be_read_when_its_file_has_changed(tmp_path: Path) -> None:
    path = writing.tsv(tmp_path, TEXTS)
    before = corpora.load(path)
    changed(path)
    assert corpora.load(path).texts != before.texts
    assert [*before.texts["de"]] == TEXTS["de"]
    assert before.hash


def ended_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_doctor_shows_copies_and_removes_them(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gguf, "cached_assets_path", lambda *_: tmp_path)  # removed as well
    assert corpora.load(writing.tsv(tmp_path, TEXTS)).hash
    (cache / "mine").write_text("mine")
    left = cache / beside(cache / "rows").name.replace(f"-{os.getpid()}-", f"-{ended_process()}-")
    left.mkdir()
    (left / "rows.arrow").write_bytes(b"half")
    doctoring = import_module("neuroglot.cli.doctor")  # the package has a function of this name
    monkeypatch.setattr(doctoring, "LOOKS", (doctoring._copies,))

    def said(clean: bool) -> str:
        with pytest.raises(SystemExit):
            doctoring.doctor(clean=clean, json=True)
        return json.loads(capsys.readouterr().out)["checks"][0]["found"]

    assert re.fullmatch(
        rf"1 of large files, \d.* kB in {re.escape(str(cache))}; neuroglot doctor --clean .*", said(False)
    )
    assert said(True).startswith("0 of large files, 0 bytes in")
    assert [path.name for path in cache.iterdir()] == ["mine"]


def test_a_copy_that_goes_while_doctor_looks_has_no_size(tmp_path: Path) -> None:
    doctoring = import_module("neuroglot.cli.doctor")
    (tmp_path / "rows.arrow").write_bytes(b"four")
    assert doctoring._size_of(tmp_path) == 4
    assert doctoring._size_of(tmp_path / "gone") == 0


def excel(folder: Path) -> Path:
    rows = zip(TEXTS["de"], TEXTS["en"])
    (folder / "a.csv").write_text("German;en\n" + "".join(f"{de};{en}\n" for de, en in rows), encoding="utf-16")
    return packed(lambda path, _: path / "a.csv", ".gz", gzip.compress)(folder, TEXTS)


def quoted(folder: Path) -> Path:
    rows = [*zip(TEXTS["de"], TEXTS["en"]), ('"ein ""Wort"""', '"a ""word"""')]
    (folder / "a.tsv").write_text("de\ten\n" + "".join(f"{de}\t{en}\n" for de, en in rows))
    return folder / "a.tsv"


@pytest.mark.parametrize("kept", [True, False])
def test_what_was_recognised_is_said_of_a_copy_too(
    kept: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, reads: list[Path]
) -> None:
    monkeypatch.setattr(storing, "SETTLED_SECONDS", -1 if kept else 60)
    path = excel(tmp_path)
    expected = [
        f"{path} is unpacked, as its ending .gz says", f"{path} is read as UTF-16, as its first bytes say",
        f"{path}: fields are separated by ';'", f"{path}: 'German' is German (de)",
    ]  # fmt: skip
    for _ in range(2):
        caplog.clear()
        with caplog.at_level("INFO", "neuroglot"):
            corpora.load(path)
        assert caplog.messages == expected
    assert len(reads) == (2 if kept else 4)  # for the separator, and for the rows


def test_a_copy_that_was_made_while_nobody_listened_says_it_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = quoted(tmp_path)
    corpora.load(path)
    with caplog.at_level("INFO", "neuroglot"):
        corpora.load(path)
    assert caplog.messages == [f"{path}: fields are quoted as in CSV"]


def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textfiles, "FREELY_UNPACKED", 10_000)
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"de\n" + b"ja\n" * 10**6))
    with pytest.raises(CorpusError, match=r"unpacks to .* 3\d\d times as many. Expected at most 250 times"):
        corpora.load(tmp_path / "a.tsv.gz")
    table = pyarrow.table({"de": pyarrow.DictionaryArray.from_arrays(np.zeros(3000, np.int32), ["ja " * 1000])})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=r"Expected at most 250 times"):
        corpora.load(tmp_path / "a.parquet")


def test_a_file_may_unpack_to_the_larger_of_two_sizes() -> None:
    most = textfiles.FREELY_UNPACKED
    packed = most // textfiles.MOST_TIMES + 1
    for unpacked, size in ((most, 1), (textfiles.MOST_TIMES * packed, packed)):
        textfiles.require_room(Path("a"), unpacked, size)
        with pytest.raises(CorpusError, match="unpacks to"):
            textfiles.require_room(Path("a"), unpacked + 1, size)


def test_the_offset_of_a_byte_is_that_of_a_character_begun_in_the_block_before() -> None:
    with pytest.raises(CorpusError, match="a:1: byte 0xc3 at offset 1 of the file"):
        deque(textfiles.texts_of(Path("a"), iter([b"a\xc3", b"\xff"])), maxlen=0)


def test_batches_have_so_many_rows_at_most(tmp_path: Path, cache: Path) -> None:
    corpora.load(writing.tsv(tmp_path, TEXTS))
    (facts,) = cache.glob("*/rows.json")
    assert json.loads(facts.read_text())[0]["lengths"] == [3] * 6 + [2]


def test_a_hash_is_kept_for_the_names_of_its_columns(tmp_path: Path) -> None:
    columns = [*corpora.load(writing.tsv(tmp_path, TEXTS)).texts.values()]
    once = {code: code * 8 for code in ("de", "en", "sw")}
    kept = [storing.kept_hash(columns, [code], partial(once.get, code)) for code in once]  # type: ignore[arg-type]
    assert kept == [*once.values()]
    assert storing.kept_hash(columns, ["de"], lambda: "another") == once["de"]


def test_a_value_that_is_none_is_what_stands_for_it() -> None:
    column = storing.stored_if_large(["de"], [(1, "a"), (2, None)]).values["de"]
    assert isinstance(column, Stored)
    filled = replace(column, missing="")
    assert [*column] == ["a", None]
    assert ([*filled], filled[1]) == (["a", ""], "")


def test_a_line_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfiles, "LONGEST_LINE", 1000)
    (tmp_path / "de.txt").write_text("kurz\n" + "lang " * 300)
    with pytest.raises(CorpusError, match=r"de.txt:2: the line has more than 1,000 characters"):
        corpora.load(tmp_path)


def test_blocks_that_cut_a_character_or_a_line_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "﻿Zeile eins ä文\r\nzwei\u2028€\n\nvier".encode()
    (tmp_path / "a.txt").write_bytes(content)
    for block in (1, 2, 3, 5, 7):
        monkeypatch.setattr(textfiles, "READ_AT_ONCE", max(block, 3))
        assert textfiles.read_lines(tmp_path / "a.txt") == ["Zeile eins ä文", "zwei\u2028€", "", "vier"]
    (tmp_path / "b.txt").write_bytes(content + b"\n\nx\xff")
    with pytest.raises(CorpusError, match=rf"b.txt:6: byte 0xff at offset {len(content) + 3} "):
        textfiles.read_lines(tmp_path / "b.txt")
    (tmp_path / "c.txt").write_bytes("eins\nzwei".encode("utf-16"))
    assert textfiles.read_lines(tmp_path / "c.txt") == ["eins", "zwei"]


def test_four_times_the_rows_take_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MOST_IN_MEMORY": 2**16, "BATCH_ROWS": 256}.items():
        monkeypatch.setattr(storing, name, value)
    monkeypatch.setattr(textfiles, "READ_AT_ONCE", 2**14)
    peaks = []
    for rows in (20_000, 20_000, 80_000):  # the first warms up
        path = tmp_path / f"{rows}.tsv"
        path.write_text("de\ten\n" + "".join(f"Satz {n}, so lang wie es geht\tline {n}\n" for n in range(rows)))
        gc.collect()
        tracemalloc.start()
        corpus = corpora.load(path)
        assert corpus.hash
        assert sum(1 for _ in zip(*corpus.texts.values())) == rows
        assert len(corpus.take(range(100, 200)).texts["de"]) == 100
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.25 * peaks[1] + 2**17


def tmx(path: Path, texts: writing.Texts) -> Path:
    units = (
        "".join(f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in zip(texts, row))
        for row in zip(*texts.values())
    )
    path.write_text(f"<tmx><body>{''.join(f'<tu>{unit}</tu>' for unit in units)}</body></tmx>")
    return path


def test_a_memory_of_any_size_is_read_unit_by_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfiles, "READ_AT_ONCE", 2**14)
    monkeypatch.setattr(storing, "BATCH_ROWS", 256)
    peaks = []
    for rows in (2_000, 2_000, 16_000):  # the first warms up
        texts = {
            "de": [f"Satz {n}, so lang wie es geht" for n in range(rows)],
            "en": [f"line {n}" for n in range(rows)],
        }
        path = tmx(tmp_path / f"{rows}.tmx", texts)
        gc.collect()
        tracemalloc.start()
        corpus = corpora.load(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert {code: [*column] for code, column in corpus.texts.items()} == texts
    assert peaks[2] < 1.25 * peaks[1] + 2**17


def test_a_nested_table_is_laid_out_without_being_held(tmp_path: Path) -> None:
    values = shapes.usual(tables.read_parquet(nested(tmp_path, TEXTS))).values
    assert list(values) == ["id", *TEXTS]
    assert all(isinstance(values[language], Stored) for language in TEXTS)
