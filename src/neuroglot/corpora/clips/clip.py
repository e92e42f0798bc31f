"""Clip, Clips and GlossVocabulary: what is seen, what was signed in it, and the numbers of glosses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from neuroglot.errors import ConfigError, CorpusError, listed
from neuroglot.showing import Described, counted
from neuroglot.signature import short_hash

ClipPart = Literal["train", "dev", "test"]
Frames = NDArray[np.uint8]  # [T, H, W, 3]


class FrameSource(Protocol):
    """Where the frames of a clip come from; they are read when they are asked for, and not kept."""

    @property
    def described(self) -> str:
        """What tells it from another one, for hashes."""
        ...

    @property
    def count(self) -> int | None:
        """How many frames there are, where that is known without reading them."""
        ...

    def read(self) -> Frames:
        """All frames `[T, H, W, 3]`, uint8; raises `CorpusError` that names a damaged one."""
        ...


@dataclass(frozen=True)
class Clip:
    """One sentence of signs: its glosses in order, the sign `language` and the `signer`; `part` says what it is for."""

    id: str
    language: str
    signer: str
    glosses: tuple[str, ...]
    part: ClipPart
    source: FrameSource

    @property
    def hash(self) -> int:
        """A number of 48 bits that tells the clip from others, whatever part it is put into."""
        return int(short_hash(self.language, self.id, self.source.described), 16)


@dataclass(frozen=True, repr=False)
class Clips(Described):
    """Clips with a name; `remarks` say in sentences what was left out. Raises `CorpusError` for none, and for an id
    that stands twice in one language.
    """

    name: str
    clips: tuple[Clip, ...]
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.clips:
            raise CorpusError(f"Of the clips {self.name!r} none is left.", "Expected one or more.", *self.remarks[:1])
        counts = Counter((clip.language, clip.id) for clip in self.clips)
        if twice := [id for (_, id), count in counts.items() if count > 1]:
            raise CorpusError(f"The clips {self.name!r} have {listed(twice)} twice.", "Expected each id once.")

    def __len__(self) -> int:
        return len(self.clips)

    def _facts(self) -> list[str]:
        return [self.name, counted(len(self), "clip"), ", ".join(self.languages)]

    @property
    def languages(self) -> tuple[str, ...]:
        """The sign languages, in order."""
        return tuple(dict.fromkeys(clip.language for clip in self.clips))

    @cached_property
    def hash(self) -> str:
        """A hash of ids, glosses, parts, and of what tells one source from another."""
        return short_hash(
            *(
                "\x1f".join((clip.id, clip.language, clip.signer, *clip.glosses, clip.part, clip.source.described))
                for clip in self.clips
            )
        )

    def of(self, part: ClipPart | None = None, language: str | None = None) -> Clips:
        """The clips of a part, of a language, or of both."""
        kept = [
            clip for clip in self.clips if part in (None, clip.part) and language in (None, clip.language)
        ]  # fmt: skip
        if not kept:
            parts = ", ".join(dict.fromkeys(clip.part for clip in self.clips))
            raise CorpusError(
                f"The clips {self.name!r} have none for {part or 'any part'}{f' in {language}' if language else ''}.",
                f"They have {parts} in {', '.join(self.languages)}.",
            )
        return replace(self, clips=tuple(kept))

    def has(self, part: ClipPart) -> bool:
        """Whether there are clips of this part."""
        return any(clip.part == part for clip in self.clips)

    def take(self, places: Iterable[int]) -> Clips:
        """These clips, by place."""
        return replace(self, clips=tuple(self.clips[place] for place in places))

    def head(self, count: int | None) -> Clips:
        """The first clips of each language."""
        if count is None:
            return self
        seen: Counter[str] = Counter()
        kept = []
        for place, clip in enumerate(self.clips):
            seen[clip.language] += 1
            if seen[clip.language] <= count:
                kept.append(place)
        return self.take(kept)

    def by_signer(self, dev: Collection[str] = (), test: Collection[str] = ()) -> Clips:
        """The same clips divided anew: those of named signers for `dev` and `test`, all others for `train`.

        Raises `ConfigError` for signers that are not there, in both, or all there are.
        """
        signers = {clip.signer for clip in self.clips}
        asked = [*dev, *test]
        if unknown := sorted(set(asked) - signers):
            raise ConfigError(
                f"There is no signer {listed(unknown)}.", f"Expected some of {listed(sorted(signers), 9)}."
            )
        if len(set(asked)) < len(asked) or signers <= set(asked):
            raise ConfigError(
                f"The signers {listed(asked, 9)} were held out of {len(signers)}.",
                "Expected each once, and others to train on.",
            )
        part: dict[str, ClipPart] = {**dict.fromkeys(dev, "dev"), **dict.fromkeys(test, "test")}
        return replace(self, clips=tuple(replace(clip, part=part.get(clip.signer, "train")) for clip in self.clips))


def joined_clips(corpora: Sequence[Clips]) -> Clips:
    """Several corpora as one."""
    name = "+".join(corpus.name for corpus in corpora)
    clips = tuple(clip for corpus in corpora for clip in corpus.clips)
    return Clips(name, clips, tuple(remark for corpus in corpora for remark in corpus.remarks))


def part_named(name: str) -> ClipPart:
    """A part by its name; raises `CorpusError` for another one."""
    if name not in get_args(ClipPart):
        raise CorpusError(f"A clip is of the part {name!r}.", f"Expected {', '.join(get_args(ClipPart))}.")
    return name  # type: ignore[return-value]


@dataclass(frozen=True)
class GlossVocabulary:
    """Glosses in sorted order, numbered from 1; 0 is CTC's blank.

    It is made of the clips that are trained on and of no others: the 1,295 glosses of all parts of RWTH-PHOENIX-2014
    are 64 more than a system may know.
    """

    glosses: tuple[str, ...]

    @classmethod
    def of(cls, clips: Clips) -> GlossVocabulary:
        """The glosses of the part `train`; raises `CorpusError` if there is none."""
        found = sorted({gloss for clip in clips.of("train").clips for gloss in clip.glosses})
        return cls(tuple(found))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each gloss."""
        return {gloss: number for number, gloss in enumerate(self.glosses, 1)}

    def unknown(self, clips: Iterable[Clip]) -> Counter[str]:
        """How often each gloss stands in the clips that the vocabulary lacks."""
        return Counter(gloss for clip in clips for gloss in clip.glosses if gloss not in self.numbers)

    def encoded(self, clip: Clip) -> list[int]:
        """The numbers of a clip's glosses; raises `CorpusError` for one that is unknown."""
        if missing := [gloss for gloss in clip.glosses if gloss not in self.numbers]:
            raise CorpusError(
                f"Clip {clip.id!r} has the gloss {listed(missing)}, which the vocabulary lacks.",
                f"Expected some of its {len(self.glosses)} glosses, those of the clips that were trained on.",
            )
        return [self.numbers[gloss] for gloss in clip.glosses]

    def decoded(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The glosses of numbers."""
        return tuple(self.glosses[number - 1] for number in numbers)
