"""Every bad input is refused by one message that says what was got, where, and what to do."""

import contextlib
import gzip
import json
import os
from pathlib import Path

import polars
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from neuroglot import corpora
from neuroglot.errors import ConfigError, CorpusError
from tests.corpora.writing import squad

GOOD = "eins\nzwei\ndrei\n"
# name: files, what to load in their folder, options, words of the message
REFUSED = {
    "unequal lengths": (
        {"de.txt": GOOD, "en.txt": "one\ntwo\n"},
        "",
        {},
        ["de.txt has 3 lines", "en.txt has 2", "line 3 is missing in", "Mend the files"],
    ),
    "unequal lengths, dropping": (
        {"de.txt": GOOD, "en.txt": "one\ntwo\n"},
        "",
        {"on_missing": "drop"},
        ["--on-missing drop cannot", "nothing says which line"],
    ),
    "empty text": (
        {"de.txt": GOOD, "en.txt": "one\n \nthree\n"},
        "",
        {},
        ["en.txt:2", "'en' is empty", "1 of 3 rows", "--on-missing drop"],
    ),
    "blank line at the end": ({"de.txt": GOOD + "\n", "en.txt": GOOD + "\n"}, "", {}, ["de.txt:4", "is empty"]),
    "nothing left": ({"de.txt": "a\n\n", "en.txt": "\nb\n"}, "", {"on_missing": "drop"}, ["would leave nothing"]),
    "empty file": ({"de.txt": GOOD, "en.txt": ""}, "", {}, ["en.txt is empty"]),
    "only a byte order mark": ({"de.txt": b"\xef\xbb\xbf"}, "", {}, ["de.txt is empty"]),
    "bad UTF-8": (
        {"de.txt": b"eins\nzw\xffei\n"},
        "",
        {},
        ["de.txt:2", "byte 0xff at offset 7", "not UTF-8", "iconv"],
    ),
    "bad UTF-8 after a mark": ({"de.txt": b"\xef\xbb\xbfeins\n\xff\n"}, "", {}, ["de.txt:2", "offset 8"]),
    "NUL": ({"de.txt": "eins\nz\0wei\n"}, "", {}, ["de.txt:2", "NUL"]),
    "carriage return": ({"de.txt": "eins\nzwei\rdrei\n"}, "", {}, ["de.txt:2", "carriage return"]),
    "unknown code of a file": (
        {"de.txt": GOOD, "germn.txt": GOOD},
        "",
        {},
        ["'germn.txt'", "Did you mean 'de' (German)"],
    ),
    "country for language": ({"de.txt": GOOD, "jp.txt": GOOD}, "", {}, ["'jp.txt'", "'ja' (Japanese)"]),
    "word for language": ({"src.txt": GOOD, "de.txt": GOOD}, "", {}, ["'src.txt'", "may be a word", "--languages"]),
    "missing language": (
        {"de.txt": GOOD, "en.txt": GOOD},
        "",
        {"languages": ["de", "sw"]},
        ["no Swahili (sw)", "It has de, en"],
    ),
    "two files for one language": (
        {"de.txt": GOOD, "deu.txt": GOOD},
        "",
        {},
        ["'de.txt' and 'deu.txt' are both German", "Remove or rename"],
    ),
    "two layouts": (
        {"de.txt": GOOD, "mgsm_en.tsv": "a\t1\n"},
        "",
        {},
        ["several layouts", "'lines' (de.txt)", "'mgsm' (mgsm_en.tsv)"],
    ),
    "file of no layout": ({"de.txt": GOOD, "en.tsv": "a\n"}, "", {}, ["'en.tsv'", "no part of the layout 'lines'"]),
    "folder without data": ({"README.md": "x"}, "", {}, ["no corpus that can be read", "de.txt", "xquad.de.json"]),
    "folder with a table": ({"a.csv": "de,en\na,b\n"}, "", {}, ["a.csv", "give that file instead of the folder"]),
    "one file of a layout": ({"mgsm_de.tsv": "a\t1\n"}, "mgsm_de.tsv", {}, ["layout 'mgsm'", "give the folder"]),
    "one text file": ({"de.txt": GOOD}, "de.txt", {}, ["no file with a column for each language", ".parquet"]),
    "file of no format": ({"a.xlsx": "x"}, "a.xlsx", {}, ["Expected one of .tsv, .csv, .jsonl"]),
    "nothing there": ({"corpus.tsv": "de\na\n"}, "corpu.tsv", {}, ["There is no", "Did you mean 'corpus.tsv'", "mgsm"]),
    "MGSM too many fields": ({"mgsm_de.tsv": "a\t1\nb\t2\t3\n"}, "", {}, ["mgsm_de.tsv:2 has 3 fields"]),
    "XQuAD paragraphs": (
        {"xquad.de.json": squad([("1", "a")], "eins"), "xquad.en.json": squad([("2", "a")], "one")},
        "",
        {"column": "context"},
        ["has no paragraph with the id"],
    ),
    "MGSM fields": ({"mgsm_de.tsv": "a\t1\nb\n"}, "", {}, ["mgsm_de.tsv:2 has 1 field", "question TAB answer"]),
    "MGSM out of step": (
        {"mgsm_de.tsv": "a\t1\nb\t2\n", "mgsm_en.tsv": "a\t1\nb\t3\n"},
        "",
        {},
        ["mgsm_en.tsv:2 has the answer '3'", "mgsm_de.tsv:2 has '2'", "not translations"],
    ),
    "MSVAMP not JSON": ({"test_German.json": '{"m_query": 1\n'}, "", {}, ["test_German.json:1", "not JSON", "column"]),
    "MSVAMP without a field": (
        {"test_German.json": '{"q": "a"}\n'},
        "",
        {},
        [":1 has no field 'm_query'", "It has 'q'"],
    ),
    "MSVAMP no object": ({"test_German.json": "[1]\n"}, "", {}, ["test_German.json:1 is a list"]),
    "MSVAMP unknown name": ({"test_Gemran.json": "{}\n"}, "", {}, ["'test_Gemran.json'", "Did you mean 'de'"]),
    "XQuAD not JSON": ({"xquad.de.json": '{\n"data": [}'}, "", {}, ["xquad.de.json:2", "not JSON"]),
    "XQuAD other JSON": ({"xquad.de.json": '{"rows": []}'}, "", {}, ["not SQuAD's", "paragraphs"]),
    "XQuAD no object": ({"xquad.de.json": "[1]"}, "", {}, ["not SQuAD's"]),
    "XQuAD without questions": ({"xquad.de.json": '{"data": []}'}, "", {}, ["has no question"]),
    "XQuAD number": ({"xquad.de.json": squad([("a", 5)])}, "", {}, ["question 1", "'question' is '5'", "int"]),
    "duplicate ids": (
        {"xquad.de.json": squad([("a", "A"), ("b", "B"), ("a", "C")])},
        "",
        {},
        ["question 3: the id 'a'", "stands at", "question 1 already"],
    ),
    "id that a language lacks": (
        {"xquad.de.json": squad([("a", "A")]), "xquad.en.json": squad([("a", "A"), ("b", "B")])},
        "",
        {},
        ["xquad.de.json has no question with the id 'b' of", "xquad.en.json, question 2", "--on-missing drop"],
    ),
    "duplicate ids in a table": (
        {"a.tsv": "id\tde\nx\ta\ny\tb\nx\tc\n"},
        "a.tsv",
        {},
        ["a.tsv:4: the id 'x'", "a.tsv:2 already"],
    ),
    "empty id": ({"a.tsv": "id\tde\n\ta\n"}, "a.tsv", {}, ["a.tsv:2: the id is empty"]),
    "id of the wrong type": ({"a.jsonl": '{"id": 1.5, "de": "a"}\n'}, "a.jsonl", {}, ["a.jsonl:1", "'id' is '1.5'"]),
    "Indonesian as ids": ({"a.csv": "id,en\nselamat pagi,hi\n"}, "a.csv", {}, ["a.csv:2", "Indonesian", "'ind'"]),
    "short row": ({"a.csv": "de,en\na,b\nc\n"}, "a.csv", {}, ["a.csv:3 has 1 field", "header has 2: de, en"]),
    "long row": ({"a.tsv": "de\ten\na\tb\tc\n"}, "a.tsv", {}, ["a.tsv:2 has 3 fields", "header has 2"]),
    "short row behind one of two lines": ({"a.csv": 'de,en\n"a\nb",c\nx\n'}, "a.csv", {}, ["a.csv:4 has 1 field"]),
    "a comma under one column": ({"a.csv": "de\na, b\n"}, "a.csv", {}, ["a.csv:2 has 2 fields"]),
    "blank row": ({"a.csv": "de,en\n\na,b\n"}, "a.csv", {}, ["a.csv:2 has 0 fields"]),
    "header alone": ({"a.csv": "de,en\n"}, "a.csv", {}, ["a.csv has no rows"]),
    "empty table": ({"a.csv": ""}, "a.csv", {}, ["a.csv is empty"]),
    "stranger beside Moses files": (
        {"train.en": "a\n", "train.de": "b\n", "other.fr": "c\n"},
        "",
        {},
        ["'other.fr'", "--languages"],
    ),
    "table beside Moses files": ({"c.en": "a\n", "c.de": "b\n", "t.tsv": "en\tde\na\tb\n"}, "", {}, ["'t.tsv'"]),
    "archive": ({"de-en.txt.zip": "PK"}, "de-en.txt.zip", {}, ["cannot be unpacked", "Expected a whole zip archive"]),
    "blank line in the middle": ({"a.tsv": "de\ten\na\tb\n\nc\td\n"}, "a.tsv", {}, ["a.tsv:3"]),
    "NUL in a name": ({"a.jsonl": '{"e\\u0000n": "a", "de": "b"}\n'}, "a.jsonl", {}, ["no language code"]),
    "column twice": ({"a.csv": "de,de\na,b\n"}, "a.csv", {}, ["a.csv:1", "'de' is there twice"]),
    "two columns of one language": ({"a.csv": "de,deu\na,b\n"}, "a.csv", {}, ["'de' and 'deu' are both German"]),
    "half of UTF-16": ({"de.txt": "eins\n".encode("utf-16")[:-1]}, "", {}, ["de.txt begins as UTF-16"]),
    "unknown language asked for": ({"de.txt": GOOD}, "", {"languages": ["germn"]}, ["'germn'", "mean 'de'"]),
    "column of no language": ({"a.csv": "de,notes\na,1\n"}, "a.csv", {}, ["'notes' is no language", "--languages"]),
    "column that is a word": ({"a.csv": "de,tag\na,b\n"}, "a.csv", {}, ["'tag' may be a word or the language"]),
    "other delimiter": ({"a.csv": "de:en\na:b\n"}, "a.csv", {}, ["'de:en' is no language"]),
    "no header": (
        {"a.tsv": f"{'a text that is long ' * 4}\tx\n"},
        "a.tsv",
        {},
        ["but a text", "a line"],
    ),
    "quoted in part": ({"a.tsv": 'de\ten\n"a ""b"""\tc\n"d\te\n'}, "a.tsv", {}, ["a.tsv:3", "not CSV"]),
    "several corpora": (
        {"train.de": GOOD, "train.en": GOOD, "dev.de": GOOD, "dev.en": GOOD},
        "",
        {},
        ["several corpora: dev, train", "without the language"],
    ),
    "half a gzip": ({"a.tsv.gz": gzip.compress(b"de\na\n")[:-9]}, "a.tsv.gz", {}, ["cannot be unpacked"]),
    "no gzip": ({"a.tsv.gz": b"de\na\n"}, "a.tsv.gz", {}, ["cannot be unpacked"]),
    "JSON of one object": ({"a.json": '{"de": "a"}'}, "a.json", {}, ["no list of objects"]),
    "TMX that is cut": ({"a.tmx": "<tmx><body><tu>"}, "a.tmx", {}, ["no XML"]),
    "TMX without units": ({"a.tmx": "<tmx/>"}, "a.tmx", {}, ["no translation unit"]),
    "TMX without a language": ({"a.tmx": "<tmx><tu><tuv><seg>a</seg></tuv></tu></tmx>"}, "a.tmx", {}, ["unit 1"]),
    "TMX with entities": (
        {"a.tmx": '<!DOCTYPE tmx [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><tmx><body>&b;</body></tmx>'},
        "a.tmx",
        {},
        ["declares the entity 'a'"],
    ),
    "an id twice in a long table": (
        {"a.jsonl": '{"id": 1, "lang": "de", "text": "a"}\n{"id": 1, "lang": "de", "text": "b"}\n'},
        "a.jsonl",
        {},
        ["'de' has the id '1' twice"],
    ),
    "saved data without files": ({"state.json": "{}"}, "", {}, ["names no data files"]),
    "saved data of a foreign path": (
        {"state.json": '{"_data_files": [{"filename": "../x.arrow"}]}'},
        "",
        {},
        ["names no data files"],
    ),
    "saved splits": ({"dataset_dict.json": '{"splits": ["train", "test"]}'}, "", {}, ["the splits train, test"]),
    "ids alone": ({"a.csv": "id\n1\n"}, "a.csv", {}, ["no column but the ids"]),
    "no such column": ({"a.csv": "de,en\na,b\n"}, "a.csv", {"languages": ["sw"]}, ["no Swahili (sw)", "has de, en"]),
    "open quote": ({"a.csv": 'de,en\na,"b\nc,d\n'}, "a.csv", {}, ["a.csv:2", "not CSV", ".jsonl or .parquet"]),
    "quote inside": ({"a.csv": 'de,en\n"a"b,c\n'}, "a.csv", {}, ["a.csv:2", "not CSV"]),
    "rows merged by quotes": (
        {"a.csv": 'de,en\n"Ja,yes\nb,c\nNein",no\n'},
        "a.csv",
        {},
        ["a.csv:2", "closes in line 4", "one row or several"],
    ),
    "carriage return in CSV": ({"a.csv": "de,en\na,b\rc,d\n"}, "a.csv", {}, ["a.csv:2", "not CSV"]),
    "JSON lines that do not parse": ({"a.jsonl": '{"de": "a"}\n{"de"\n'}, "a.jsonl", {}, ["a.jsonl:2", "not JSON"]),
    "blank JSON line": ({"a.jsonl": '{"de": "a"}\n\n{"de": "b"}\n'}, "a.jsonl", {}, ["a.jsonl:2", "not JSON"]),
    "JSON too deep": ({"a.jsonl": "[" * 100_000}, "a.jsonl", {}, ["a.jsonl:1", "not JSON"]),
    "JSON number too long": ({"a.jsonl": '{"de": ' + "1" * 5000 + "}"}, "a.jsonl", {}, ["a.jsonl:1", "not JSON"]),
    "JSON other fields": (
        {"a.jsonl": '{"de": "a"}\n{"de": "a", "en": "b"}\n'},
        "a.jsonl",
        {},
        ["a.jsonl:2", "'en', which the first line lacks"],
    ),
    "JSON no object": ({"a.jsonl": "3\n"}, "a.jsonl", {}, ["a.jsonl:1 is a int"]),
    "JSON number": ({"a.jsonl": '{"de": "a"}\n{"de": 5}\n'}, "a.jsonl", {}, ["a.jsonl:2: 'de' is '5'", "type int"]),
    "JSON NUL": ({"a.jsonl": '{"de": "a\\u0000"}\n'}, "a.jsonl", {}, ["a.jsonl:1", "NUL"]),
    "JSON half a pair": ({"a.jsonl": '{"de": "a\\ud800"}\n'}, "a.jsonl", {}, ["a.jsonl:1", "surrogate"]),
    "JSON null": ({"a.jsonl": '{"de": null, "en": "a"}\n'}, "a.jsonl", {}, ["a.jsonl:1: the text in 'de' is empty"]),
    "not Parquet": ({"a.parquet": "PAR1 no"}, "a.parquet", {}, ["a.parquet cannot be read as Parquet", "whole"]),
}


def put(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def message(path, **options) -> str:
    """The refusal's text: one line."""
    with pytest.raises(CorpusError) as caught:
        corpora.load(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    return text


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused(case, tmp_path):
    files, source, options, words = REFUSED[case]
    put(tmp_path, files)
    text = message(tmp_path / source, **options)
    assert [word for word in words if word not in text] == [], text


def test_number_of_refusals():
    assert len(REFUSED) == 93


def test_a_parquet_file_or_folder_with_a_column_twice(tmp_path):
    table = pyarrow.table([["a", "b"], ["c", "d"], ["e", "f"]], names=["en", "de", "de"])
    parquet.write_table(table, tmp_path / "a.parquet")
    assert "'de' is there twice" in message(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "de\ten\na\tb\nc\td\n\n\n"), ("a.csv", "de,en\r\na,b\r\nc,d\r\n\r\n"),
        ("a.jsonl", '{"de": "a", "en": "b"}\n{"de": "c", "en": "d"}\n\n'),
    ],
)  # fmt: skip
def test_blank_lines_at_the_end_of_a_table_are_no_rows(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode())
    assert dict(corpora.load(tmp_path / name).texts) == {"de": ("a", "c"), "en": ("b", "d")}


def test_parquet_with_numbers_truncated_or_empty(tmp_path):
    path = tmp_path / "a.parquet"
    polars.DataFrame({"de": ["a", "b"], "en": [1, 2]}).write_parquet(path)
    assert "a.parquet, row 1: 'en' is '1'" in message(path)
    polars.DataFrame({"de": ["a", "b"]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read as Parquet" in message(path)
    polars.DataFrame({"de": []}, schema={"de": polars.String}).write_parquet(path)
    assert "has no rows" in message(path)


def test_links_out_of_the_folder_special_files_and_folders_are_refused(tmp_path):
    outside, folder = tmp_path / "secret", tmp_path / "corpus"
    outside.write_text("a\n")
    folder.mkdir()
    (folder / "de.txt").symlink_to(outside)
    assert "outside the folder" in message(folder)
    (folder / "de.txt").unlink()
    os.mkfifo(folder / "de.txt")
    assert "special file" in message(folder)
    (folder / "de.txt").unlink()
    (folder / "de.txt").mkdir()
    assert "special file" in message(folder)
    (folder / "de.txt").rmdir()
    (folder / "de.txt").symlink_to(folder / "gone.txt")
    assert "cannot be read" in message(folder)
    os.mkfifo(tmp_path / "a.csv")
    assert "special file" in message(tmp_path / "a.csv")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_what_may_not_be_read(tmp_path):
    put(tmp_path, {"de.txt": GOOD})
    (tmp_path / "de.txt").chmod(0)
    assert "cannot be read" in message(tmp_path)


@pytest.mark.parametrize("source", ["", "no such thing", "x\0y", "n" * 5000, "./mgms", "data/flroes.tsv"])
def test_what_is_not_there(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = message(source)
    assert "There is no" in text or "cannot be read" in text


def test_misspelt_known_name_gets_a_suggestion(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "Did you mean 'mgsm'?" in message("mgms")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"on_missing": "guess"}, "'refuse' or 'drop'"),
        ({"languages": []}, "list of codes"),
        ({"languages": "de"}, "list of codes"),
        ({"languages": ["de", "deu"]}, "once"),
        ({"column": "question"}, "no columns to choose"),
        ({"revision": "main"}, "Only the hub has revisions"),
    ],
)
def test_options_that_do_not_fit(options, word, tmp_path):
    put(tmp_path, {"de.txt": GOOD, "en.txt": GOOD})
    with pytest.raises(ConfigError, match=word):
        corpora.load(tmp_path, **options)


@pytest.mark.parametrize(("name", "content"), [("mgsm_de.tsv", "a\t1\n"), ("xquad.de.json", squad([("a", "A")]))])
def test_column_that_a_layout_lacks(name, content, tmp_path):
    put(tmp_path, {name: content})
    with pytest.raises(ConfigError, match="It has 'question' and"):
        corpora.load(tmp_path, column="title")


def test_column_of_a_table_is_refused(tmp_path):
    put(tmp_path, {"a.csv": "de\na\n"})
    with pytest.raises(ConfigError, match="columns are chosen by"):
        corpora.load(tmp_path / "a.csv", column="de")


NAMES = ["de.txt", "mgsm_de.tsv", "test_German.json", "xquad.de.json", "a.tsv", "a.csv", "a.jsonl"]
PIECES = st.sampled_from(
    [b"de", b"id", b"en", b"\t", b",", b'"', b"\n", b"\r", b"\0", b"\xff", b"{", b"}", b":", b"[", b"]", b"1"]
)


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(NAMES), pieces=st.lists(PIECES, max_size=25))
def test_garbage_is_read_or_refused_and_never_crashes(name, pieces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("garbage")
    (folder / name).write_bytes(b"".join(pieces))
    path = folder / name if name.startswith("a.") else folder
    with contextlib.suppress(CorpusError):
        corpora.load(path, on_missing="drop")


@settings(max_examples=100, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["data", "paragraphs", "qas", "id", "question", "context"]), inner)
        ),
    )
)
def test_any_json_is_read_or_refused(value, tmp_path_factory):
    folder = tmp_path_factory.mktemp("json")
    (folder / "xquad.de.json").write_text(json.dumps(value))
    for column in ("question", "context"):
        with pytest.raises(CorpusError):
            corpora.load(folder, column=column)
