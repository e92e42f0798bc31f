"""Line-aligned files whose ending names the language, as Moses, OPUS, WMT, FLORES and NTREX release them, or that lie
in a folder a language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from neuroglot.corpora.languages import ALSO_WORDS, code_or_name, known_code
from neuroglot.corpora.recognised import recognised
from neuroglot.corpora.sources import unpacked_name
from neuroglot.errors import CorpusError

# Names of the files of one corpus, the first pattern that fits: `corpus` is what they share.
PATTERNS = tuple(map(re.compile, (
    r"(?P<language>[a-z]{3}_[A-Z][a-z]{3})\.(?P<corpus>dev|devtest|test)",  # FLORES: deu_Latn.devtest
    r"(?P<corpus>.+)-(?:src|ref)\.(?P<language>[a-z]{3}(?:-[A-Za-z]+)?)\.txt",  # NTREX: newstest2019-ref.deu.txt
    r"(?P<corpus>.+)\.(?P<language>[^.]+)",  # Moses, OPUS, WMT: Europarl.de-en.de, train.de
)))  # fmt: skip
PAPERS = re.compile(r"\..*|(licen[cs]e|readme|copying|notice|authors|changelog|citation)\b.*", re.IGNORECASE)
NO_TEXTS = frozenset({"ids", "scores", "xml", "json", "jsonl", "txt", "tsv", "csv", "parquet", "md", "py", "sh", "log"})


def files_by_language(folder: Path, names: list[str], corpus: str | None = None) -> Mapping[str, str]:
    """The tag in each name of the only corpus in a folder, or of the named one; empty if there is none.

    Raises `CorpusError` where the folder holds several.
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        if match := _match(name):
            found.setdefault(match["corpus"], {})[name] = match["language"]
    several = {shared: tags for shared, tags in found.items() if len(tags) > 1}
    if corpus is not None:
        return several.get(corpus, {})
    if len(several) > 1:
        raise CorpusError(
            f"{folder} holds several corpora: {', '.join(sorted(several))}.", "Expected one.",
            f"Name one of them without the language, such as {folder / min(several)}.",
        )  # fmt: skip
    for shared, tags in several.items():
        recognised(f"{folder}: the files of {shared!r} are one corpus, in {', '.join(sorted(tags.values()))}")
    return next(iter(several.values()), {})


def shared_name(name: str) -> str | None:
    """What a file of a language shares with those of the others, `Europarl.de-en` of `Europarl.de-en.de`."""
    match = _match(name)
    return None if match is None else match["corpus"]


def ends_in_language(name: str) -> bool:
    """Whether a file such as `train.fr` may hold a language that would be left out unseen."""
    ending = unpacked_name(name).rpartition(".")[2]
    return (
        "." in name
        and not PAPERS.fullmatch(name)
        and ending not in NO_TEXTS
        and known_code(ending) is not None
        and len(ending) == 2
    )


def _match(name: str) -> re.Match[str] | None:
    plain = unpacked_name(name)
    for pattern in PATTERNS:
        match = pattern.fullmatch(plain)
        if match and match["language"].lower() not in NO_TEXTS | ALSO_WORDS and code_or_name(match["language"]):
            return match
    return None


def folders_by_language(folder: Path) -> Mapping[str, str]:
    """The language of `de/texts.txt`, where each folder is a language and holds one file of the same name."""
    inner = {entry.name: sorted(_visible(entry)) for entry in folder.iterdir() if entry.is_dir()}
    names = {tuple(names) for names in inner.values()}
    if len(inner) < 2 or len(names) != 1 or not all(code_or_name(name) for name in inner):
        return {}
    (files,) = names
    if len(files) != 1:
        raise CorpusError(
            f"Each language's folder in {folder} holds {len(files)} files ({', '.join(files[:3])}).", "Expected one.",
            "Put the files of one corpus into a folder, such as de.txt and en.txt.",
        )  # fmt: skip
    recognised(f"{folder}: a folder is a language, {', '.join(sorted(inner))}")
    return {f"{name}/{files[0]}": name for name in inner}


def _visible(folder: Path) -> Iterator[str]:
    yield from (entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
