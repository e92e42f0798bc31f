"""Frames from files: folders of images by Pillow, videos by PyAV; a damaged one is named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuroglot import extras
from neuroglot.corpora.clips.clip import Frames
from neuroglot.errors import CorpusError

IMAGES = (".png", ".jpg", ".jpeg")
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")
MOST_PIXELS = 2**24  # of a frame
DEEP = "IF"  # first letters of Pillow's modes of 16 bits and more, which it would cut off at 255


@dataclass(frozen=True)
class ImageFiles:
    """Frames that are image files, in this order."""

    paths: tuple[Path, ...]

    @property
    def described(self) -> str:
        names = [f"{path.name}:{path.stat().st_size}" for path in self.paths]
        return "/".join((self.paths[0].parent.name, *names))

    @property
    def count(self) -> int:
        return len(self.paths)

    def read(self) -> Frames:
        frames = [self._frame(path) for path in self.paths]
        sizes = {frame.shape for frame in frames}
        if len(sizes) > 1:
            odd = next(path for path, frame in zip(self.paths, frames, strict=True) if frame.shape != frames[0].shape)
            raise CorpusError(f"The frame {odd} has another size than {self.paths[0]}.", "Expected one size in a clip.")
        return np.stack(frames)

    def fault(self) -> str | None:
        """What is wrong with the files, as far as their headers tell; None if nothing is."""
        image = extras.require("PIL.Image", extra="sign")
        size = None
        for path in self.paths:
            try:
                with image.open(path) as opened:
                    if opened.width * opened.height > MOST_PIXELS:
                        return f"frame {path.name} has more than {MOST_PIXELS:,} pixels"
                    if opened.mode[0] in DEEP:
                        return f"frame {path.name} has more than 8 bits a channel"
                    opened.verify()
                    size = size or opened.size
                    if opened.size != size:
                        return f"frame {path.name} has another size"
            except Exception:  # Pillow raises what its decoders raise
                return f"frame {path.name} is damaged"
        return None

    def _frame(self, path: Path) -> Frames:
        image = extras.require("PIL.Image", extra="sign")
        try:
            with image.open(path) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise CorpusError(f"The frame {path} has {opened.width} × {opened.height} pixels.")
                if opened.mode[0] in DEEP:
                    raise CorpusError(f"The frame {path} has more than 8 bits a channel.", "Expected 8.")
                return np.asarray(opened.convert("RGB"))
        except CorpusError:
            raise
        except Exception as error:  # Pillow raises what its decoders raise
            raise CorpusError(f"The frame {path} is damaged: {error}.", "Expected a PNG or JPEG image.") from error


@dataclass(frozen=True)
class VideoFile:
    """Frames of a video file, decoded one after another."""

    path: Path

    @property
    def described(self) -> str:
        return f"{self.path.name}:{self.path.stat().st_size}"

    @property
    def count(self) -> None:
        return None

    def read(self) -> Frames:
        av: Any = extras.require("av", extra="video")
        try:
            with av.open(str(self.path)) as container:
                frames = [self._pixels(frame) for frame in container.decode(video=0)]
        except (av.error.FFmpegError, OSError, IndexError, ValueError) as error:
            raise CorpusError(f"The video {self.path} is damaged: {error}.", "Expected a whole video file.") from error
        if not frames:
            raise CorpusError(f"The video {self.path} has no frames.", "Expected one or more.")
        if len({frame.shape for frame in frames}) > 1:
            raise CorpusError(f"The video {self.path} changes the size of its frames.", "Expected one size in a clip.")
        return np.stack(frames)

    def _pixels(self, frame: Any) -> Frames:
        if frame.width * frame.height > MOST_PIXELS:
            raise CorpusError(f"A frame of {self.path} has {frame.width} × {frame.height} pixels.")
        pixels: Frames = frame.to_ndarray(format="rgb24")
        return pixels

    def fault(self) -> str | None:
        """What is wrong with the file; None if its first frame can be read."""
        av: Any = extras.require("av", extra="video")
        try:
            with av.open(str(self.path)) as container:
                next(iter(container.decode(video=0)))
        except Exception:  # PyAV raises what FFmpeg finds
            return f"the video {self.path.name} is damaged"
        return None


def source_at(path: Path) -> ImageFiles | VideoFile:
    """A folder of images, or a video file; raises `CorpusError` for anything else."""
    if path.is_dir():
        found = [one for one in path.iterdir() if one.suffix.lower() in IMAGES and not one.name.startswith(".")]
        images = tuple(sorted((one for one in found if one.is_file()), key=_in_time))
        if not images:
            raise CorpusError(f"{path} holds no image.", f"Expected frames that end in {', '.join(IMAGES)}.")
        return ImageFiles(images)
    if path.is_file() and path.suffix.lower() in VIDEOS:
        return VideoFile(path)
    raise CorpusError(f"{path} is no clip.", f"Expected a folder of images, or a video ({', '.join(VIDEOS)}).")


def _in_time(path: Path) -> tuple[list[int], str]:
    """Frame 10 behind frame 2, also where numbers have no leading zeros."""
    return [int(number) for number in re.findall(r"\d+", path.stem)], path.name
