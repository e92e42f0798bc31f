"""The one way from clips to what a recogniser is given: frames chosen, cut and resized alike for all who see them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.nn.utils.rnn import pad_sequence

from neuroglot.corpora.clips import Clip, Clips, GlossVocabulary
from neuroglot.corpora.clips.clip import Frames
from neuroglot.errors import ConfigError, CorpusError, listed
from neuroglot.signature import seed_of
from neuroglot.tokens.examples import IGNORED

AugmentationName = Literal["none", "phoenix", "csl"]
POOLED = 4  # frames that become one position


@dataclass(frozen=True)
class Augmentation:
    """How frames are varied in training: a random `crop` of this share of width and height (evaluation takes it from
    the middle), a `flip` with this probability, and a length times U(`rescale`), within `lengths`.
    """

    crop: float = 1.0
    flip: float = 0.0
    rescale: tuple[float, float] = (1.0, 1.0)
    lengths: tuple[int, int] = (1, 10_000)


# Crops of 224 of 256 pixels; source: public training scripts of the authors of TSCM, and VAC_CSLR.
AUGMENTATIONS: dict[AugmentationName, Augmentation] = {
    "none": Augmentation(),
    "phoenix": Augmentation(224 / 256, 0.5, (0.8, 1.2), (32, 230)),
    "csl": Augmentation(224 / 256),
}


@dataclass(frozen=True)
class Look:
    """One way to see a clip: which frames, which part of them, whether mirrored; alike for teacher and student."""

    frames: tuple[int, ...]
    top: float
    left: float
    share: float
    mirrored: bool

    def seen(self, frames: Frames, size: int) -> Tensor:
        """The frames as a network of this image size reads them: `[T, 3, size, size]`, from −1 to 1.

        Resized with anti-aliasing, so that a small frame is a mean of the large one.
        """
        chosen = torch.from_numpy(frames[list(self.frames)]).permute(0, 3, 1, 2).float()
        height, width = (max(1, round(self.share * side)) for side in chosen.shape[-2:])
        top, left = (
            round(where * (whole - part))
            for where, whole, part in zip((self.top, self.left), chosen.shape[-2:], (height, width), strict=True)
        )
        cut = chosen[..., top : top + height, left : left + width]
        if cut.shape[-2:] != (size, size):
            cut = interpolate(cut, (size, size), mode="bilinear", align_corners=False, antialias=True)
        cut = cut.flip(-1) if self.mirrored else cut
        return cut / 127.5 - 1


def middle_look(count: int, augmentation: Augmentation, step: int = 1) -> Look:
    """How a clip of so many frames is seen in evaluation: every `step`-th frame, from the middle."""
    return Look(tuple(range(0, count, step)), 0.5, 0.5, augmentation.crop, False)


def random_look(count: int, augmentation: Augmentation, step: int, needed: int, rng: random.Random) -> Look:
    """How it is seen in training; a length that is too short for the `needed` positions is not taken."""
    phase = rng.randrange(min(step, count))
    every = range(phase, count, step)
    low, high = augmentation.lengths
    length = len(every)
    if augmentation.rescale != (1.0, 1.0):
        wanted = round(length * rng.uniform(*augmentation.rescale))
        length = max(min(wanted, high), low, POOLED * (needed - 1) + 1)
        length -= length % POOLED if length - length % POOLED > POOLED * (needed - 1) else 0
    frames = tuple(every[min(place * len(every) // length, len(every) - 1)] for place in range(length))
    return Look(frames, rng.random(), rng.random(), augmentation.crop, rng.random() < augmentation.flip)


def positions_needed(glosses: Sequence[object]) -> int:
    """Positions that CTC needs: one a gloss, and a blank between two that are alike."""
    return len(glosses) + sum(first == second for first, second in pairwise(glosses))


def _parts(count: int, size: int) -> int:
    return (count + size - 1) // size


def require_all_fit(clips: Clips, step: int) -> None:
    """Raise as `require_fit` before anything is read; videos, whose frames are not known, when they are read."""
    require_fit(clips, [clip.source.count for clip in clips.clips], step)


def require_fit(clips: Clips, counts: Sequence[int | None], step: int) -> None:
    """Raise `CorpusError` with the names of clips that have too few frames for their glosses."""
    short = [
        f"{clip.id} ({count} frames, {POOLED * step * (positions_needed(clip.glosses) - 1) + 1} needed)"
        for clip, count in zip(clips.clips, counts, strict=True)
        if count is not None and _parts(_parts(count, step), POOLED) < positions_needed(clip.glosses)
    ]
    if short:
        raise CorpusError(
            f"{len(short)} of {len(clips)} clips are too short for their glosses: {listed(short)}.",
            "Expected four frames for each gloss, and four between two that are alike.",
            "Leave them out, or read more frames (--frame-step).",
        )


@dataclass(frozen=True)
class ClipRow:
    """A clip and the seed of how it is seen; without a seed it is seen as in evaluation."""

    clip: Clip
    seed: int | None = None


@dataclass(frozen=True)
class ClipRows(Sequence[ClipRow]):
    """`total` rows: the clips in a new order each time that all were read; row i depends on the seed and i alone."""

    clips: Clips
    total: int
    seed: int
    orders: dict[int, list[int]] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(self.total))]
        if not 0 <= row < self.total:
            raise IndexError(row)
        turn, place = divmod(row, len(self.clips))
        if turn not in self.orders:
            self.orders[turn] = list(range(len(self.clips)))
            random.Random(seed_of("clips", self.seed, turn)).shuffle(self.orders[turn])
        return ClipRow(self.clips.clips[self.orders[turn][place]], seed_of("look", self.seed, row))


@dataclass(frozen=True)
class ClipReader:
    """From rows to a batch of a recogniser whose frames have `size` pixels; `step` n reads every n-th frame.

    With an `also` size the same frames, cut and mirrored alike, are given in that size too, as `larger`.
    """

    vocabulary: GlossVocabulary
    size: int
    step: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)
    also: int | None = None

    def batch(self, rows: Sequence[ClipRow], labelled: bool = True) -> dict[str, Tensor]:
        """`pixel_values [B, T, 3, H, W]`, `frame_mask [B, T]` and `labels [B, S]`, padded on the right.

        Raises `CorpusError` for a damaged frame, a gloss that is not in the vocabulary, and a clip that is too short.
        """
        seen: list[Tensor] = []
        larger: list[Tensor] = []
        for row in rows:
            frames = row.clip.source.read()
            if labelled:
                require_fit(Clips(row.clip.id, (row.clip,)), [len(frames)], self.step)
            look = self._look(row, len(frames))
            seen.append(look.seen(frames, self.size))
            if self.also is not None:
                larger.append(look.seen(frames, self.also))
        lengths = torch.tensor([len(clip) for clip in seen])
        batch = {
            "pixel_values": pad_sequence(seen, batch_first=True),
            "frame_mask": (torch.arange(int(lengths.max())) < lengths[:, None]).long(),
        }
        if labelled:
            labels = [torch.tensor(self.vocabulary.encoded(row.clip)) for row in rows]
            batch["labels"] = pad_sequence(labels, batch_first=True, padding_value=IGNORED)
        return batch | ({"larger": pad_sequence(larger, batch_first=True)} if larger else {})

    def batches(
        self, clips: Clips, size: int, labelled: bool = False
    ) -> Iterator[tuple[list[ClipRow], dict[str, Tensor]]]:
        """All clips in their order as they are seen in evaluation, so many at once."""
        for start in range(0, len(clips), size):
            rows = [ClipRow(clip) for clip in clips.clips[start : start + size]]
            yield rows, self.batch(rows, labelled)

    def _look(self, row: ClipRow, count: int) -> Look:
        if row.seed is None:
            return middle_look(count, self.augmentation, self.step)
        needed = positions_needed(row.clip.glosses)
        rng = random.Random(row.seed)
        look = random_look(count, self.augmentation, self.step, needed, rng)
        if _parts(len(look.frames), POOLED) >= needed:
            return look
        return Look(tuple(range(0, count, self.step)), look.top, look.left, look.share, look.mirrored)


def augmentation_named(name: str) -> Augmentation:
    """An augmentation by its name; raises `ConfigError` for another one."""
    if name not in AUGMENTATIONS:
        raise ConfigError(f"There is no augmentation {name!r}.", f"Expected {', '.join(AUGMENTATIONS)}.")
    return AUGMENTATIONS[name]
