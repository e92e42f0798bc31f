"""Made clips: a bright spot moves, and a gloss is how it moves; what single frames show is alike in all glosses.

Several made sign languages sign the same sentences: for some meanings they share the gloss, others each signs in a way
of its own. Clip r of one language says what clip r of another one says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from neuroglot.corpora.clips.clip import Clip, ClipPart, Clips, Frames
from neuroglot.errors import ConfigError
from neuroglot.signature import seed_of

MADE = "made"
MADE_LANGUAGES = ("made-a", "made-b", "made-c")
Path2D = Callable[[float], tuple[float, float]]  # share of the motion that is over, to x and y in [-1, 1]


def _line(x: float, y: float) -> Path2D:
    return lambda share: (x * (2 * share - 1), y * (2 * share - 1))


def _circle(turn: int) -> Path2D:
    return lambda share: (math.cos(turn * math.tau * share), math.sin(turn * math.tau * share))


# Each motion stands beside its reverse, which shows the same places: only their order in time tells the two apart.
SHARED_MOTIONS: dict[str, Path2D] = {
    "EAST": _line(1, 0),
    "WEST": _line(-1, 0),
    "NORTH": _line(0, -1),
    "SOUTH": _line(0, 1),
}
OWN_MOTIONS: dict[str, tuple[Path2D, Path2D]] = {
    "made-a": (_line(1, 1), _line(-1, -1)),
    "made-b": (_line(1, -1), _line(-1, 1)),
    "made-c": (_circle(1), _circle(-1)),
}
OWN_MEANINGS = ("GO", "COME")
BOTH = "+"  # between the motions of two hands
HAND_COLOURS = [np.array([1.0, 0.2, 0.1]), np.array([0.1, 0.3, 1.0])]
KEPT_CLIPS = 4096  # that are not drawn again; of 16 pixels they take about 80 MiB
PARTS_OF_MADE: tuple[ClipPart, ...] = ("train", "dev", "test")


@dataclass(frozen=True)
class MadeClips:
    """So many sentences a part in each of the languages, drawn with the `seed`; frames of `size` pixels.

    A sentence has 1 to `longest` glosses of `least` to `most` frames each. `signers` differ in brightness, in the size
    of the spot and in its way; each part has all of them. With two `hands` there are two spots of other colours, and a
    gloss is the pair of their motions, shared by all languages. Raises `ConfigError` for counts that make no clip.
    """

    seed: int = 0
    train: int = 80
    dev: int = 12
    test: int = 24
    languages: tuple[str, ...] = MADE_LANGUAGES
    size: int = 16
    longest: int = 3
    least: int = 9
    most: int = 13
    signers: int = 3
    noise: float = 12.0
    hands: int = 1

    def __post_init__(self) -> None:
        counts = (self.train, self.dev, self.test, self.longest, self.signers)
        if min(counts) < 1 or not 8 <= self.least <= self.most or self.size < 8 or self.noise < 0:
            raise ConfigError(f"Got {self}.", "Expected counts from 1, glosses of 8 frames or more, and 8 pixels.")
        if self.hands not in (1, 2):
            raise ConfigError(f"Got {self.hands} hands.", "Expected 1 or 2.")
        if not self.languages or set(self.languages) - set(MADE_LANGUAGES):
            raise ConfigError(f"Got the languages {self.languages}.", f"Expected some of {', '.join(MADE_LANGUAGES)}.")


@dataclass(frozen=True)
class MadeFrames:
    """Frames that are drawn when they are read: `motions` of so many frames each, by one signer."""

    motions: tuple[tuple[str, int], ...]
    signer: int
    size: int
    noise: float
    seed: int

    @property
    def described(self) -> str:
        return repr(self)

    @property
    def count(self) -> int:
        return sum(length for _, length in self.motions)

    def read(self) -> Frames:
        drawn: Frames = _drawn(self).copy()
        return drawn


def make_clips(config: MadeClips) -> Clips:
    """The clips of a config; the same config gives the same frames."""
    clips = []
    meanings = [*SHARED_MOTIONS, *OWN_MEANINGS]
    if config.hands == 2:
        meanings = [f"{left}{BOTH}{right}" for left in SHARED_MOTIONS for right in SHARED_MOTIONS]
    for part in PARTS_OF_MADE:
        for row in range(getattr(config, part)):
            rng = np.random.default_rng(seed_of("made clips", config.seed, part, row))
            said: list[str] = []
            for _ in range(int(rng.integers(1, config.longest + 1))):
                said.append(str(rng.choice([meaning for meaning in meanings if meaning not in said[-1:]])))
            lengths = [int(rng.integers(config.least, config.most + 1)) for _ in said]
            signer = int(rng.integers(config.signers))
            for language in config.languages:
                glosses = tuple(f"{language}:{meaning}" if meaning in OWN_MEANINGS else meaning for meaning in said)
                source = MadeFrames(
                    tuple(zip(glosses, lengths, strict=True)), signer, config.size, config.noise,
                    seed_of("made frames", config.seed, part, row, language),
                )  # fmt: skip
                clips.append(Clip(f"{part}-{row}", language, f"signer-{signer}", glosses, part, source))
    return Clips(MADE, tuple(clips))


def _motions(gloss: str) -> list[Path2D]:
    """The way of each hand."""
    language, _, meaning = gloss.rpartition(":")
    if language:
        return [OWN_MOTIONS[language][OWN_MEANINGS.index(meaning)]]
    return [SHARED_MOTIONS[part] for part in meaning.split(BOTH)]


@lru_cache(maxsize=KEPT_CLIPS)
def _drawn(made: MadeFrames) -> Frames:
    rng = np.random.default_rng(made.seed)
    pixels = np.linspace(-1, 1, made.size)
    spread, reach = 0.16 + 0.04 * made.signer, 0.6 + 0.06 * made.signer
    colour = np.array([1.0, 0.8 - 0.2 * made.signer, 0.4 + 0.2 * made.signer])
    frames = []
    for gloss, length in made.motions:
        paths = _motions(gloss)
        colours = [colour] if len(paths) == 1 else HAND_COLOURS
        asides = [rng.uniform(-0.15, 0.15, 2) for _ in paths]
        start = rng.uniform(0, 1)  # of a circle, which has no beginning
        for step in range(length):
            share = step / (length - 1)
            frame = 40 + rng.normal(0, made.noise, (made.size, made.size, 3))
            for path, aside, own in zip(paths, asides, colours, strict=True):
                x, y = path(share + start if gloss.startswith("made-c:") else share)
                across, down = pixels[None, :] - reach * x - aside[0], pixels[:, None] - reach * y - aside[1]
                frame += 190 * np.exp(-(across**2 + down**2) / (2 * spread**2))[..., None] * own
            frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    return np.stack(frames)
