"""Clips in the layouts in which they are released: RWTH-PHOENIX-2014, CSL, and a table of one's own.

What a corpus file says and the disk does not hold is a fault; faults are refused, all of them counted and the first
ones named, or left out and told.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from neuroglot.corpora.clips.clip import Clip, ClipPart, Clips, part_named
from neuroglot.corpora.clips.made import MADE, MadeClips, make_clips
from neuroglot.corpora.clips.sources import VIDEOS, ImageFiles, VideoFile, source_at
from neuroglot.errors import CorpusError, listed

OnFault = Literal["refuse", "drop"]
ClipSplit = Literal["signer", "sentence"]
PARTS: tuple[ClipPart, ...] = ("train", "dev", "test")
HEADER = ["id", "folder", "signer", "annotation"]  # of a corpus file of RWTH-PHOENIX-2014
TABLE = "clips.tsv"
PHOENIX, CSL = "gsg", "csl"  # German and Chinese Sign Language, ISO 639-3
CSL_TRAINED = {"signer": 0.8, "sentence": 0.94}  # of 50 signers 40, of 100 sentences 94
ClipFault = tuple[str, str]  # which clip, and what is wrong
ClipOrFault = Clip | ClipFault


def load_clips(source: str | Path, *, on_fault: OnFault = "refuse", split: ClipSplit = "signer") -> Clips:
    """The clips of a folder in a known layout, or `made` ones.

    RWTH-PHOENIX-2014: `annotations/manual/<part>.corpus.csv` (`id|folder|signer|annotation`) over
    `features/…/<part>/<folder>`. CSL: `label.txt`, a line a sentence, over `…/<number of the sentence>/<take>`, where a
    take begins with its signer (`P01_…`); divided by `signer` (split I) or by `sentence` (split II). Otherwise a table
    `clips.tsv` with the columns id, path, glosses, and, as you like, signer, language and part. A clip is a folder of
    images or a video. Raises `CorpusError` for another folder, and for faults where they are to `refuse`.
    """
    if str(source) == MADE:
        return make_clips(MadeClips())
    root = Path(source)
    readers: list[tuple[str, Callable[[], Iterator[ClipOrFault]]]] = [
        ("annotations/manual/train.corpus.csv", lambda: _phoenix(root)),
        ("label.txt", lambda: _csl(root, split)),
        (TABLE, lambda: _table(root)),
    ]
    for marker, read in readers:
        if (root / marker).is_file():
            return _kept(root.name, list(read()), on_fault)
    raise CorpusError(
        f"{root} is no folder of clips.",
        f"Expected {', '.join(marker for marker, _ in readers)} in it, or {MADE!r} for made clips.",
    )


def _kept(name: str, found: list[ClipOrFault], on_fault: OnFault) -> Clips:
    clips: list[Clip] = []
    faults: list[ClipFault] = []
    seen: set[tuple[str, str]] = set()
    for part in found:
        if not isinstance(part, Clip):
            faults.append(part)
        elif (part.language, part.id) in seen:
            faults.append((part.id, "its id stands twice"))
        else:
            seen.add((part.language, part.id))
            clips.append(part)
    named = listed([f"{id}: {what}" for id, what in faults])
    if faults and on_fault == "refuse":
        raise CorpusError(
            f"{len(faults)} of {len(found)} clips of {name!r} have faults ({named}).", "Expected none.",
            "Mend them, or leave these clips out (--on-fault drop).",
        )  # fmt: skip
    kinds = Counter(re.sub(r"(frame|video) \S+", r"a \1", what) for _, what in faults)
    counted = "; ".join(f"{what}: {count}" for what, count in kinds.items())
    remarks = (f"{len(faults)} of {len(found)} clips are left out ({counted}): {named}.",) if faults else ()
    return Clips(name, tuple(clips), remarks)


def _clip(
    id: str, language: str, signer: str, glosses: tuple[str, ...], part: ClipPart, path: Path, root: Path
) -> ClipOrFault:
    """A clip whose files are there, below the root and whole, as far as headers tell, or its fault."""
    if not glosses:
        return id, "no gloss"
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            return id, "a path out of the folder"
        source = source_at(path)
    except (CorpusError, OSError, ValueError):  # the last two: of a path that no file can have
        return id, "no frames"
    if missing := _gaps(source):
        return id, f"{missing} frames are missing"
    if fault := source.fault():
        return id, fault
    return Clip(id, language, signer, glosses, part, source)


def _gaps(source: ImageFiles | VideoFile) -> int:
    """Numbers that are left out between those of the first and the last frame, where the names have numbers."""
    if isinstance(source, VideoFile):
        return 0
    numbers = [re.findall(r"\d+", re.sub(r"-\d+$", "", path.stem)) for path in source.paths]
    if not all(numbers):
        return 0
    last = [int(found[-1]) for found in numbers]
    return len(range(min(last), max(last) + 1)) - len(set(last))


def _phoenix(root: Path) -> Iterator[ClipOrFault]:
    features = sorted(path for path in (root / "features").glob("*") if path.is_dir())
    if not features:
        raise CorpusError(f"{root} has no folder in features/.", "Expected one, such as fullFrame-210x260px.")
    frames = next((path for path in features if path.name.startswith("fullFrame")), features[0])
    for part in PARTS:
        path = root / "annotations" / "manual" / f"{part}.corpus.csv"
        if not path.is_file():
            continue
        within = frames / part
        for number, line in _lines(path):
            fields = line.split("|")
            if fields == HEADER:
                continue
            if len(fields) != len(HEADER) or not fields[0].strip():
                yield f"{path.name} line {number}", "no fields id|folder|signer|annotation"
                continue
            id, folder, signer, annotation = (field.strip() for field in fields)
            place = folder.split("*")[0].strip("/")
            yield _clip(id, PHOENIX, signer, tuple(annotation.split()), part, within / place, within)


def _csl(root: Path, split: ClipSplit) -> Iterator[ClipOrFault]:
    sentences = _sentences(root / "label.txt")
    takes = [
        (int(path.parent.name), path)
        for path in sorted(root.glob("**/*"))
        if path.parent != root and path.parent.name.isdecimal() and (path.is_dir() or path.suffix.lower() in VIDEOS)
    ]
    if not takes:
        raise CorpusError(f"{root} has no takes.", "Expected …/<number of the sentence>/P01_…, folders or videos.")
    kinds = sorted({_signer(path) for _, path in takes} if split == "signer" else {number for number, _ in takes})
    trained = set(kinds[: max(1, min(len(kinds) - 1, round(CSL_TRAINED[split] * len(kinds))))])
    seen: set[int] = set()
    for number, path in takes:
        seen.add(number)
        if number not in sentences:
            yield f"{number}/{path.name}", f"label.txt has {len(sentences)} sentences, and not this one"
            continue
        kind = _signer(path) if split == "signer" else number
        part: ClipPart = "train" if kind in trained else "test"
        yield _clip(f"{number:03}/{path.stem}", CSL, _signer(path), sentences[number], part, path, root)
    for number in sorted(set(sentences) - seen):
        yield f"{number:03}", "no take of this sentence"


def _sentences(path: Path) -> dict[int, tuple[str, ...]]:
    """Glosses by the number that each line begins with; where not all do, by line, of which a blank one is one."""
    lines = _lines(path)
    begun = [re.match(r"(\d+)\s+", line) for _, line in lines]
    if not all(begun):
        return {number - 1: tuple(line.split()) for number, line in lines}
    numbers = [int(found[1]) for found in begun if found]
    if twice := [str(number) for number, count in Counter(numbers).items() if count > 1]:
        raise CorpusError(f"{path} has the sentence {listed(twice)} twice.", "Expected each number once.")
    return {number: tuple(line.split()[1:]) for number, (_, line) in zip(numbers, lines, strict=True)}


def _signer(path: Path) -> str:
    return path.name.split("_")[0]


def _table(root: Path) -> Iterator[ClipOrFault]:
    lines = _lines(root / TABLE)
    try:
        header, *rows = csv.reader([line for _, line in lines], delimiter="\t", quoting=csv.QUOTE_NONE)
    except (csv.Error, ValueError) as error:
        raise CorpusError(f"{root / TABLE} cannot be read: {error}.", "Expected a header and short fields.") from error
    needed = {"id", "path", "glosses"}
    if not rows or not needed <= set(header) or len(set(header)) < len(header):
        raise CorpusError(
            f"{root / TABLE} lacks a column or rows, or has a column twice.", f"Expected {', '.join(sorted(needed))}."
        )
    for (number, _), fields in zip(lines[1:], rows, strict=True):
        row = dict(zip(header, map(str.strip, fields), strict=False))
        if len(fields) > len(header) or not needed <= set(row):
            yield f"{TABLE} line {number}", f"{'too many' if len(fields) > len(header) else 'too few'} fields"
        elif not row["id"] or not row["path"]:
            yield f"{TABLE} line {number}", "no id or no path"
        elif (part := row.get("part") or "train") not in PARTS:
            yield row["id"], f"the part {part!r}, which is none of {', '.join(PARTS)}"
        else:
            language, signer = row.get("language") or root.name, row.get("signer") or "unknown"
            glosses, path = tuple(row["glosses"].split()), root / row["path"]
            yield _clip(row["id"], language, signer, glosses, part_named(part), path, root)


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbers and lines of a text file, blank ones left out; raises `CorpusError` if it is not UTF-8."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read: {error}.", "Expected a text in UTF-8.") from error
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
