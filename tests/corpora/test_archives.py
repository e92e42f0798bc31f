"""Zip archives as OPUS releases them: read where they are, and what is a trap, locked or damaged is refused."""

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from neuroglot import corpora
from neuroglot.corpora import archives, storing, textfiles
from neuroglot.corpora.stored import Stored
from neuroglot.errors import ConfigError, CorpusError

TEXTS = {"de": ("eins", "zwei Wörter", "drei"), "en": ("one", "two words", "three")}
BESIDE = {"README": "de and en", "LICENSE": "free", "Europarl.de-en.xml": "<a/>", "Europarl.de-en.ids": "1\n2\n3\n"}
FILES = {f"Europarl.de-en.{code}": "\n".join(column) + "\n" for code, column in TEXTS.items()}


def packed(folder: Path, files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(folder / "de-en.txt.zip", "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "de-en.txt.zip"


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str
)
def test_an_archive_of_opus_is_read(method: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = packed(tmp_path, FILES | BESIDE, method)
    with caplog.at_level("INFO", "neuroglot"):
        corpus = corpora.load(path)
    assert dict(corpus.texts) == TEXTS
    assert caplog.messages == [f"{path}: the files of 'Europarl.de-en' are one corpus, in de, en"]
    assert corpora.load(path, languages=["German"]).languages == ("de",)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]  # nothing was unpacked


def test_a_large_one_is_kept_and_read_again_if_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()
    for name, value in {"MOST_IN_MEMORY": 0, "LEAST_KEPT": 0, "SETTLED_SECONDS": -1}.items():
        monkeypatch.setattr(storing, name, value)
    monkeypatch.setattr(storing, "cached_assets_path", lambda *_: tmp_path / "cache")
    opened, blocks = [], archives._blocks
    monkeypatch.setattr(archives, "_blocks", lambda path, name: opened.append(name) or blocks(path, name))
    path = packed(tmp_path, FILES)
    first = corpora.load(path)
    assert corpora.load(path).hash == first.hash
    assert opened == list(FILES)
    assert isinstance(first.texts["de"], Stored)
    packed(tmp_path, FILES | {"Europarl.de-en.de": "EINS\nZWEI\nDREI\n"})
    assert [*corpora.load(path).texts["de"]] == ["EINS", "ZWEI", "DREI"]
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_names_that_lead_out_of_the_archive_are_only_names(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = packed(inner, {f"../../{name}": content for name, content in FILES.items()} | {"/etc/passwd": "mine"})
    assert dict(corpora.load(path).texts) == TEXTS
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["de-en.txt.zip", "inner"]


def test_a_link_in_an_archive_is_read_as_what_stands_in_it(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("Europarl.de-en.en")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("Europarl.de-en.de", "eins\n")
        archive.writestr(link, "/etc/passwd")
    assert dict(corpora.load(tmp_path / "a.zip").texts) == {"de": ("eins",), "en": ("/etc/passwd",)}


def test_what_unpacks_to_far_more_than_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfiles, "FREELY_UNPACKED", 10_000)
    path = packed(tmp_path, FILES | {"Europarl.de-en.en": "ja\n" * 10**6})
    with pytest.raises(CorpusError, match=r"Europarl.de-en.en has .* unpacks to .* Expected at most 250 times"):
        corpora.load(path)
    boasting = bytearray(path.read_bytes())  # it says that it is large as packed, too
    entry = boasting.rindex(b"PK\x01\x02")
    boasting[entry + 20 : entry + 24] = struct.pack("<I", 2**31)
    path.write_bytes(boasting)
    with pytest.raises(CorpusError, match="unpacks to"):
        corpora.load(path)


def locked(content: bytes) -> bytes:
    """With the flag of encryption in every header."""
    changed = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(mark)
        while at >= 0:
            changed[at + offset] |= 1
            at = changed.find(mark, at + 4)
    return bytes(changed)


def spoiled(content: bytes) -> bytes:
    """One byte of the first file's data differs."""
    at = content.index(b"eins")
    return content[:at] + b"E" + content[at + 1 :]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (locked, "Europarl.de-en.de is encrypted"), (lambda content: content[:-30], "cannot be unpacked"),
        (lambda content: b"PK" + os.urandom(40), "cannot be unpacked"), (spoiled, "cannot be unpacked"),
        (lambda content: b"", "is empty"),
    ],
    ids=["locked", "cut", "random", "spoiled", "empty"],
)  # fmt: skip
def test_what_is_locked_or_damaged_is_refused(change, said: str, tmp_path: Path) -> None:
    path = packed(tmp_path, FILES, zipfile.ZIP_STORED)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(CorpusError, match=said):
        corpora.load(path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (BESIDE, "without text files by language: Europarl.de-en.ids, Europarl.de-en.xml, LICENSE, README"),
        ({}, "there are no files"),
        (
            FILES | {"other.de": "a\n", "other.en": "b\n"},
            "holds several corpora: Europarl.de-en, other. Expected one. Unpack it yourself",
        ),
        (FILES | {"Europarl.de-en.en": "one\n"}, "Europarl.de-en.de has 3 lines and .*Europarl.de-en.en has 1"),
        (FILES | {"Europarl.de-en.en": ""}, "Europarl.de-en.en holds nothing"),
        (FILES | {"Europarl.de-en.en": b"one\nt\xff\n"}, "Europarl.de-en.en:2: byte 0xff"),
        (
            {f"{name}.gz": content for name, content in FILES.items()},
            "packed once more: Europarl.de-en.de.gz, Europarl.de-en.en.gz. Expected plain text. Unpack it yourself",
        ),
        ({"inner.zip": "PK"}, "packed once more: inner.zip"),
        (FILES | {"other.fr": "a\n"}, "with files that are in no corpus: other.fr.*--languages"),
    ],
)
def test_other_archives_are_refused(files: dict[str, str | bytes], said: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=said):
        corpora.load(packed(tmp_path, files))


def test_what_packs_of_a_mac_hold_beside_is_not_read(tmp_path: Path) -> None:
    hidden = {f"{folder}._{name}": "x" for folder in ("", "__MACOSX/") for name in FILES}
    assert dict(corpora.load(packed(tmp_path, FILES | hidden | {".DS_Store": "x"})).texts) == TEXTS


def test_what_is_packed_once_more_beside_a_corpus_is_no_part_of_it(tmp_path: Path) -> None:
    twice = {f"other.{code}.gz": "x" for code in TEXTS} | {"Europarl.de-en.fr.gz": "x"}
    assert dict(corpora.load(packed(tmp_path, FILES | twice)).texts) == TEXTS


def test_of_files_in_no_corpus_the_languages_that_are_named_are_read_without(tmp_path: Path) -> None:
    path = packed(tmp_path, FILES | {"other.fr": "a\n", "LICENSE.de": "frei\n"})
    assert dict(corpora.load(path, languages=["de", "en"]).texts) == TEXTS


def test_a_name_below_an_archive_is_not_looked_up_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match="There is no 'de-en.txt.zip/Europarl'"):
        corpora.load("de-en.txt.zip/Europarl")


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, FILES)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("Europarl.de-en.de", "four\n")
    with pytest.raises(CorpusError, match=r"holds 'Europarl.de-en.de' twice"):
        corpora.load(path)


def test_an_archive_has_no_columns(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no columns to choose in an archive"):
        corpora.load(packed(tmp_path, FILES), column="text")


def test_other_kinds_of_archives_are_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(io.BytesIO(b"x").read())
    with pytest.raises(CorpusError, match="It is an archive: unpack it"):
        corpora.load(tmp_path / "a.tar.gz")
