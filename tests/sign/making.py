"""A few made clips, and recognisers small enough to be trained in a test."""

from __future__ import annotations

from typing import Any

from neuroglot.corpora.clips import Clips, GlossVocabulary, MadeClips, make_clips
from neuroglot.models.architectures.tscm import TSCMConfig, TSCMForCTC
from neuroglot.tokens.clips import ClipReader
from neuroglot.training.recognition import new_recogniser
from tests.models.tscm.making import TINY

FEW = MadeClips(train=4, dev=2, test=3, languages=("made-a", "made-b"), longest=2, size=8)


def few_clips() -> Clips:
    return make_clips(FEW)


def recogniser(seed: int = 0, **options: Any) -> TSCMForCTC:
    return new_recogniser(TSCMConfig(**{**TINY, **options}), GlossVocabulary.of(few_clips()), seed)


def reader(size: int = 8, **options: Any) -> ClipReader:
    return ClipReader(GlossVocabulary.of(few_clips()), size, **options)
