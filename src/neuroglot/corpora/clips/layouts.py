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
    clips = [part for part in found if isinstance(part, Clip)]
    faults = [part for part in found if not isinstance(part, Clip)]
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


def _clip(id: str, language: str, signer: str, glosses: tuple[str, ...], part: ClipPart, path: Path) -> ClipOrFault:
    """A clip whose files are there and whole, as far as headers tell, or its fault."""
    if not glosses:
        return id, "no gloss"
    try:
        source = source_at(path)
    except CorpusError:
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
        for number, line in enumerate(_lines(path), 1):
            fields = line.split("|")
            if number == 1 and fields == HEADER:
                continue
            if len(fields) != len(HEADER) or not fields[0].strip():
                yield f"{path.name} line {number}", "no fields id|folder|signer|annotation"
                continue
            id, folder, signer, annotation = (field.strip() for field in fields)
            place = folder.split("*")[0].strip("/")
            yield _clip(id, PHOENIX, signer, tuple(annotation.split()), part, frames / part / place)


def _csl(root: Path, split: ClipSplit) -> Iterator[ClipOrFault]:
    sentences = [tuple(re.sub(r"^\d+\s+", "", line).split()) for line in _lines(root / "label.txt")]
    takes = [
        (int(path.parent.name), path)
        for path in sorted(root.glob("**/*"))
        if path.parent.name.isdigit() and (path.is_dir() or path.suffix.lower() in VIDEOS)
    ]
    if not takes:
        raise CorpusError(f"{root} has no takes.", "Expected …/<number of the sentence>/P01_…, folders or videos.")
    kinds = sorted({_signer(path) for _, path in takes} if split == "signer" else {number for number, _ in takes})
    trained = set(kinds[: max(1, min(len(kinds) - 1, round(CSL_TRAINED[split] * len(kinds))))])
    seen: set[int] = set()
    for number, path in takes:
        seen.add(number)
        if number >= len(sentences):
            yield f"{number}/{path.name}", f"label.txt has {len(sentences)} sentences"
            continue
        kind = _signer(path) if split == "signer" else number
        part: ClipPart = "train" if kind in trained else "test"
        yield _clip(f"{number:03}/{path.stem}", CSL, _signer(path), sentences[number], part, path)
    for number in sorted(set(range(len(sentences))) - seen):
        yield f"{number:03}", "no take of this sentence"


def _signer(path: Path) -> str:
    return path.name.split("_")[0]


def _table(root: Path) -> Iterator[ClipOrFault]:
    rows = list(csv.DictReader(_lines(root / TABLE), delimiter="\t"))
    needed = {"id", "path", "glosses"}
    if not rows or not needed <= set(rows[0]):
        raise CorpusError(f"{root / TABLE} lacks a column or rows.", f"Expected {', '.join(sorted(needed))}.")
    for number, row in enumerate(rows, 2):
        if any(row[name] is None for name in needed):
            yield f"{TABLE} line {number}", "too few fields"
            continue
        part = part_named(row.get("part") or "train")
        path = (root / row["path"]).resolve()
        if not path.is_relative_to(root.resolve()):
            yield row["id"], "a path out of the folder"
            continue
        language, signer = row.get("language") or root.name, row.get("signer") or "unknown"
        yield _clip(row["id"], language, signer, tuple(row["glosses"].split()), part, path)


def _lines(path: Path) -> list[str]:
    """The lines of a text file, blank ones left out; raises `CorpusError` if it is not UTF-8."""
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read: {error}.", "Expected a text in UTF-8.") from error
