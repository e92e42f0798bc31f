"""Tables in other shapes than one column a language: nested translations, long tables, what pandas adds, TMX, and what
`datasets` saves to disk. Each becomes a `RawTable` with one column a language, and what was recognised is logged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from neuroglot.corpora.languages import code_or_name
from neuroglot.corpora.recognised import recognised
from neuroglot.corpora.storing import rows_of_file, stored_if_large
from neuroglot.corpora.tables import ID, TABLES, RawTable, distinct_names, rows_of_batches
from neuroglot.corpora.textfiles import blocks_of, parse_text_json, read_text, size_of
from neuroglot.errors import CorpusError

# Columns that tables have beside texts; by these names only, because another one may be a language that is misspelt.
BESIDE_TEXTS = frozenset((
    "domain", "url", "topic", "score", "split", "date", "genre", "licence", "license", "doc_id", "docid", "document_id",
    "has_image", "has_hyperlink", "line_number", "row_id", "source_id", "sentence_id", "segment_id",
))  # fmt: skip
CODES = frozenset(("bpt", "ept", "it", "ph", "ut"))  # elements of TMX that hold native markup
LANGUAGE_COLUMNS = ("lang", "language", "lang_code", "language_code", "locale")
TEXT_COLUMNS = ("text", "sentence", "content", "translation")
ID_COLUMNS = (ID, "sentence_id", "row_id", "segment_id")


def usual(table: RawTable, plain: bool = False) -> RawTable:
    """The table with one column a language, however it was written; `plain` keeps columns that are no texts."""
    table = _long(_without_index(_nested(table)))
    beside = [name for name in table.values if name.lower() in BESIDE_TEXTS and name not in ID_COLUMNS[:1]]
    if plain or not beside or len(beside) == len(table.values):
        return table
    recognised(f"{table.origin}: the columns {', '.join(beside)} are no texts")
    return replace(table, values={name: column for name, column in table.values.items() if name not in beside})


def _nested(table: RawTable) -> RawTable:
    """Columns of a column of mappings, such as `{"translation": {"de": ..., "en": ...}}`."""
    nested = [name for name, column in table.values.items() if _all_mappings(column)]
    if len(nested) != 1 or any(code_or_name(name) for name in table.values if name not in nested and name != ID):
        return table
    recognised(f"{table.origin}: the texts stand in the column {nested[0]!r}, by language")
    return unnested(table, nested[0])


def unnested(table: RawTable, nested: str) -> RawTable:
    """A column a key of a column of mappings, and the ids."""
    rows: Iterable[Mapping[str, object]] = table.values[nested]  # type: ignore[assignment]  # looked at above
    names = list(dict.fromkeys(name for row in rows for name in row))
    values = stored_if_large(names, ((0, *map(row.get, names)) for row in rows)).values
    kept = {name: column for name, column in table.values.items() if name == ID}
    return replace(table, values={**kept, **values})


def _all_mappings(column: Iterable[object]) -> bool:
    values = iter(column)
    return isinstance(next(values, None), Mapping) and all(isinstance(value, Mapping) for value in values)


def _without_index(table: RawTable) -> RawTable:
    """Without the column of row numbers that pandas writes in front."""
    first = next(iter(table.values), None)
    if first not in ("", "Unnamed: 0", "__index_level_0__"):
        return table
    if not all(str(value) == str(number) for number, value in enumerate(table.values[first])):
        return table
    recognised(f"{table.origin}: the first column numbers the rows")
    return replace(table, values={name: column for name, column in table.values.items() if name != first})


def _long(table: RawTable) -> RawTable:
    """One column a language of a table with a row for each text: its id, its language, the text."""
    names = {name.lower(): name for name in table.values}
    language, text, row_id = (
        next((names[name] for name in known if name in names), None)
        for known in (LANGUAGE_COLUMNS, TEXT_COLUMNS, ID_COLUMNS)
    )
    if language is None or text is None or len(table.values) > (3 if row_id else 2):
        return table
    by_language: dict[str, dict[str, object]] = {}
    ids = list(map(str, table.values[row_id])) if row_id else None
    for place, (tag, content) in enumerate(zip(table.values[language], table.values[text])):
        column = by_language.setdefault(str(tag), {})
        key = ids[place] if ids is not None else str(len(column) + 1)
        if key in column:
            raise CorpusError(
                f"{table.origin}, row {place + 1}: {tag!r} has the id {key!r} twice.",
                "Expected each id once a language.",
            )
        column[key] = content
    every = list(dict.fromkeys(key for column in by_language.values() for key in column))
    values: dict[str, Iterable[object]] = {ID: every} if row_id else {}
    values |= {tag: [column.get(key) for key in every] for tag, column in by_language.items()}
    recognised(f"{table.origin}: a row for each text, its language in {language!r} and the text in {text!r}")
    return RawTable(table.origin, values, range(1, len(every) + 1))


def read_json(path: Path) -> RawTable:
    """A list of objects, each a row."""
    rows = parse_text_json(read_text(path), path)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise CorpusError(f"{path} is JSON, but no list of objects.", "Expected [{'de': ..., 'en': ...}, ...].")
    names = dict.fromkeys(name for row in rows for name in row)
    return RawTable(str(path), {name: [row.get(name) for row in rows] for name in names}, range(1, len(rows) + 1))


def read_tmx(path: Path) -> RawTable:
    """A translation memory (TMX 1.4): a row a unit, a column a language; inline markup is left out, its text kept."""
    read = rows_of_file(path, "tmx", lambda: _tmx_rows(path))
    return RawTable(str(path), read.values, read.places)


def _tmx_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """The languages of all units, then each unit's texts: the file is read twice, and a unit is in memory at a time."""
    names = dict.fromkeys(name for unit in _units(path) for name in unit)
    if not names:
        raise CorpusError(f"{path} has no translation unit.", "Expected <tu> with a <tuv> for each language.")
    yield tuple(names)
    for number, unit in enumerate(_units(path), 1):
        yield number, *map(unit.get, names)


def _units(path: Path) -> Iterator[dict[str, str]]:
    guard = _entity_guard(path)
    parser: Any = ElementTree.XMLPullParser(("start", "end"))
    number, parents = 0, list[ElementTree.Element]()
    try:
        for block in chain(blocks_of(path), [b""]):
            guard.Parse(block, not block)  # before the other one, which would write out an entity
            parser.feed(block)
            for event, element in parser.read_events():
                if event == "start":
                    parents.append(element)
                    continue
                parents.pop()
                if element.tag.rpartition("}")[2] == "tu":
                    number += 1
                    yield _unit(path, element, number)
                    if parents:
                        parents[-1].remove(element)
        parser.close()
    except (ElementTree.ParseError, expat.ExpatError) as error:
        raise _no_xml(path, error) from error


def _unit(path: Path, element: ElementTree.Element, number: int) -> dict[str, str]:
    texts: dict[str, str] = {}
    for variant in element.iter():
        if variant.tag.rpartition("}")[2] != "tuv":
            continue
        tag = variant.get("{http://www.w3.org/XML/1998/namespace}lang") or variant.get("lang") or ""
        segment = next((part for part in variant if part.tag.rpartition("}")[2] == "seg"), None)
        if not tag or segment is None or tag in texts:
            raise CorpusError(
                f"{path}, unit {number}: a <tuv> has no language, no <seg>, or a language that is there already.",
                "Expected one <tuv xml:lang=...><seg>...</seg></tuv> a language.",
            )
        texts[tag] = "".join(_words_of(segment)).strip()
    return texts


def _words_of(element: ElementTree.Element) -> Iterator[str]:
    """The text of a segment; what stands inside of markup codes is code."""
    yield element.text or ""
    for part in element:
        if part.tag.rpartition("}")[2] not in CODES:
            yield from _words_of(part)
        yield part.tail or ""


def _entity_guard(path: Path) -> expat.XMLParserType:
    """A parser that raises `CorpusError` if entities are declared: a few bytes of them can stand for gigabytes."""
    parser = expat.ParserCreate()

    def declared(name: str, *_: object) -> None:
        raise CorpusError(f"{path} declares the entity {name!r}.", "Expected plain TMX.", "Write it without entities.")

    parser.EntityDeclHandler = declared
    return parser


def _no_xml(path: Path, error: Exception) -> CorpusError:
    """What is wrong with the file; names of characters that HTML has and XML lacks, such as `&nbsp;`, get their own."""
    if "undefined entity" not in str(error):
        return CorpusError(f"{path} is no XML: {error}.", "Expected a whole TMX file.")
    return CorpusError(
        f"{path} names a character as HTML does: {error}.",
        "Expected the character itself, or its number; XML has the names &amp;, &lt;, &gt;, &quot; and &apos; only.",
        "Replace the name, &nbsp; for example by &#160;.",
    )


SAVED, SPLITS = "state.json", "dataset_dict.json"  # what `datasets` writes beside its Arrow files


def is_saved(folder: Path) -> bool:
    """Whether `datasets` saved the folder (`save_to_disk`)."""
    return (folder / SAVED).is_file() or (folder / SPLITS).is_file()


def read_saved(folder: Path) -> RawTable:
    """What `save_to_disk` of `datasets` wrote; of several splits one has to be named by its folder."""
    if (folder / SPLITS).is_file():
        splits = _stored(folder / SPLITS).get("splits")
        if not isinstance(splits, list) or len(splits) != 1 or not isinstance(splits[0], str) or "/" in splits[0]:
            named = ", ".join(map(str, splits)) if isinstance(splits, list) else "none"
            raise CorpusError(
                f"{folder} holds the splits {named}.", "Expected one.", f"Give its folder, such as {folder}/train."
            )
        folder = folder / splits[0]
    listed = _stored(folder / SAVED).get("_data_files")
    names = [str(entry.get("filename")) for entry in listed] if isinstance(listed, list) else []
    if not names or any(Path(name).name != name for name in names):
        raise CorpusError(f"{folder / SAVED} names no data files.", "Expected what datasets' save_to_disk writes.")
    rows = _saved_rows(folder, names)
    read = stored_if_large(next(rows), rows)
    return RawTable(str(folder), read.values, read.places)


def _saved_rows(folder: Path, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The names of the columns, then the rows, a batch of an Arrow file at a time."""
    import pyarrow
    from pyarrow import ipc

    try:
        number = 0
        for place, name in enumerate(names):
            with pyarrow.OSFile(str(folder / name)) as source:
                stream = ipc.open_stream(source)
                if not place:
                    yield tuple(distinct_names(stream.schema.names, folder / name))
                for row in rows_of_batches(stream, folder / name, size_of(folder / name)):
                    number += 1
                    yield number, *row[1:]
    except CorpusError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CorpusError(f"{folder} cannot be read: {error}.", "Expected whole Arrow files.") from error


def _stored(path: Path) -> dict[str, object]:
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read: {error}.", "Expected what datasets' save_to_disk writes.") from error
    if not isinstance(stored, dict):
        raise CorpusError(f"{path} is no object.", "Expected what datasets' save_to_disk writes.")
    return stored


READERS: Mapping[str, Callable[[Path], RawTable]] = {**TABLES, ".json": read_json, ".tmx": read_tmx}
