"""The corpora that neuroglot knows by name, one record each; to add one, add a record.

A record serves twice: for a folder on disk, whose files it recognises by their names, and for the hub.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neuroglot.corpora.columns import TextColumn
from neuroglot.corpora.languages import tag_of_name
from neuroglot.corpora.readers import read_mgsm, read_msvamp, read_plain, read_xquad
from neuroglot.corpora.textfiles import COMPRESSED


@dataclass(frozen=True)
class Source:
    """One known corpus. Patterns are regular expressions that match a whole name, group 1 the language in it."""

    name: str
    title: str
    licence: str
    languages: tuple[str, ...] = ()
    column: str = ""  # the column with the text, on disk and on the hub; empty where there is none to choose
    files: str = ""  # pattern of the file names in a folder; empty where nobody publishes it as such a folder
    example: str = ""  # one such file name
    read: Callable[[Path, str], TextColumn] = read_plain
    tag: Callable[[str], str] = str  # from the language in a file name to its code
    hub: str = ""  # dataset id
    configs: str = "(.+)"  # pattern of the hub's config names
    split: str = "test"
    witness: str = ""  # hub column whose value must be the same in every language


PLAIN = Source(
    name="lines",
    title="Line-aligned text files, one a language",
    licence="unknown",
    files=r"(.+)\.txt",
    example="de.txt",
)

SOURCES = (
    Source(
        name="mgsm",
        title="MGSM: 250 grade-school sums (GSM8K), translated by people",
        licence="CC BY 4.0",
        languages=("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"),
        column="question",
        files=r"mgsm_(.+)\.tsv",
        example="mgsm_de.tsv",
        read=read_mgsm,
        hub="juletxara/mgsm",
        witness="answer_number",
    ),
    Source(
        name="msvamp",
        title="MSVAMP: 1,000 sums (SVAMP), translated",
        licence="Apache-2.0",
        languages=("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "th", "zh"),
        column="m_query",
        files=r"test_([A-Z][a-z]+)\.json",
        example="test_German.json",
        read=read_msvamp,
        tag=tag_of_name,
        hub="Mathoctopus/MSVAMP",
        witness="response",
    ),
    Source(
        name="xquad",
        title="XQuAD: 1,190 questions on 240 paragraphs (SQuAD), translated by people",
        licence="CC BY-SA 4.0",
        languages=("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"),
        column="question",
        files=r"xquad\.(.+)\.json",
        example="xquad.de.json",
        read=read_xquad,
        hub="google/xquad",
        configs=r"xquad\.(.+)",
        split="validation",
    ),
    Source(
        name="flores",
        title="FLORES-200 devtest: 1,012 sentences in about 200 languages, translated by people",
        licence="CC BY-SA 4.0",
        column="sentence",
        hub="facebook/flores",
        configs=r"([a-z]{3}_[A-Z][a-z]{3})",
        split="devtest",
    ),
)

LAYOUTS = tuple(source for source in (PLAIN, *SOURCES) if source.files)


def layout_of(name: str) -> Source | None:
    """The layout in which a file of this name holds one language; None where there is none."""
    return next((source for source in LAYOUTS if re.fullmatch(source.files, unpacked_name(name))), None)


def unpacked_name(name: str) -> str:
    """The name without the ending of its compression."""
    return name.rpartition(".")[0] if Path(name).suffix.lower() in COMPRESSED else name


def find_source(name: str) -> Source | None:
    """The record of this name or hub id, None where there is none."""
    return next((source for source in SOURCES if name in (source.name, source.hub)), None)
