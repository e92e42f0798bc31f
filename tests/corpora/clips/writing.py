"""Miniatures of released corpora, with made clips in place of films."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuroglot.corpora.clips import Clip, MadeClips, make_clips

FEW = MadeClips(train=4, dev=2, test=2, languages=("made-a",), longest=2, signers=2)


def write_frames(clip: Clip, folder: Path, stem: str = "frame_{}", ending: str = "png") -> None:
    image = pytest.importorskip("PIL.Image", reason="images are written by Pillow, of the extra 'sign'")
    folder.mkdir(parents=True)
    for number, frame in enumerate(clip.source.read()):
        image.fromarray(frame).save(folder / f"{stem.format(f'{number:06}')}.{ending}")


def write_phoenix(root: Path, config: MadeClips = FEW) -> Path:
    """RWTH-PHOENIX-2014: corpus files of three parts over folders of numbered frames."""
    made = make_clips(config)
    for part in ("train", "dev", "test"):
        lines = ["id|folder|signer|annotation"]
        for clip in made.of(part).clips:
            lines.append(f"{clip.id}|{clip.id}/1/*.png|{clip.signer}|{' '.join(clip.glosses)}")
            place = root / "features" / "fullFrame-210x260px" / part / clip.id / "1"
            write_frames(clip, place, f"{clip.id}_fn{{}}-0")
        path = root / "annotations" / "manual" / f"{part}.corpus.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return root


def write_csl(root: Path, config: MadeClips = FEW) -> Path:
    """CSL: a line a sentence, and takes of several signers."""
    made = make_clips(config).of("train").clips
    root.mkdir(parents=True, exist_ok=True)
    (root / "label.txt").write_text("".join(f"{n:06} {' '.join(clip.glosses)}\n" for n, clip in enumerate(made)))
    for number, clip in enumerate(made):
        for signer in (1, 2):
            write_frames(clip, root / "color" / f"{number:03}" / f"P0{signer}_s1_{number:02}_0", ending="jpg")
    return root
