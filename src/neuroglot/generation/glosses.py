"""Glosses that a recogniser reads from clips: by prefix beam search, and where in time each of them stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neuroglot.corpora.clips import Clips, GlossVocabulary
from neuroglot.errors import UnsupportedModelError
from neuroglot.generation.ctc import BeamOptions, prefix_beam_search
from neuroglot.models.architectures.tscm import TSCMForCTC
from neuroglot.models.architectures.tscm.config import BLANK_GLOSS
from neuroglot.progress import advancing
from neuroglot.tokens.clips import Augmentation, ClipReader


@dataclass(frozen=True)
class Readings:
    """What was read from each clip, beside what was signed, with the log probability of the best reading in nats."""

    ids: tuple[str, ...]
    languages: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    hypotheses: tuple[tuple[str, ...], ...]
    log_probs: tuple[float, ...]


@dataclass(frozen=True)
class GlossSpan:
    """One gloss of a reading: its positions at a quarter of the frames, first and last, and its mean probability."""

    gloss: str
    first: int
    last: int
    probability: float


def vocabulary_of(model: TSCMForCTC) -> GlossVocabulary:
    """The glosses in the model's config; raises `UnsupportedModelError` where they have gaps or 0 is no blank."""
    labels: Any = model.config.id2label or {}
    if sorted(labels) != list(range(len(labels))):
        raise UnsupportedModelError(
            "The model's labels are not numbered in a row.", "Expected 0 for the blank, and glosses from 1."
        )
    if labels.get(0) != BLANK_GLOSS:
        raise UnsupportedModelError(
            f"The model's label 0 is {labels.get(0)!r}.", f"Expected {BLANK_GLOSS!r}, as `neuroglot sign train` writes."
        )
    return GlossVocabulary(tuple(labels[number] for number in range(1, len(labels))))


def reader_for(model: TSCMForCTC, augmentation: Augmentation | None = None) -> ClipReader:
    """How clips are read for a model: its size, its step, its share of the frames, its glosses."""
    chosen = augmentation or Augmentation(crop=model.config.crop)
    return ClipReader(vocabulary_of(model), model.config.image_size, model.config.frame_step, chosen)


def recognise(
    model: TSCMForCTC, reader: ClipReader, clips: Clips, beam: BeamOptions | None = None, batch_size: int = 8
) -> Readings:
    """The likeliest glosses of every clip, in evaluation mode; the model is left in the mode it was in."""
    hypotheses: list[tuple[str, ...]] = []
    log_probs: list[float] = []
    was_training = model.training
    model.eval()
    try:
        with advancing("recognising", len(clips)) as advance, torch.no_grad():
            for rows, batch in reader.batches(clips, batch_size):
                output = model(**{name: part.to(model.device) for name, part in batch.items()})
                scores = output.logits.float().log_softmax(-1).cpu()
                for found in prefix_beam_search(scores, output.lengths, 0, beam):
                    hypotheses.append(reader.vocabulary.decoded(found[0].symbols))
                    log_probs.append(found[0].log_prob)
                advance(len(rows))
    finally:
        model.train(was_training)
    read = clips.clips
    return Readings(
        tuple(clip.id for clip in read), tuple(clip.language for clip in read), tuple(clip.glosses for clip in read),
        tuple(hypotheses), tuple(log_probs),
    )  # fmt: skip


def glosses_in_time(log_probs: Tensor, symbols: Sequence[int], vocabulary: GlossVocabulary) -> list[GlossSpan]:
    """Where each symbol stands on the likeliest path that says all of them, `[T, K + 1]` in log-probabilities.

    Viterbi over blank, first symbol, blank, … (Graves et al. 2006, §4): a symbol's span is where the path is in it.
    """
    states = [0, *(part for symbol in symbols for part in (symbol, 0))]
    best = torch.full((len(log_probs), len(states)), -torch.inf, dtype=torch.float64)
    came = torch.zeros(len(log_probs), len(states), dtype=torch.int64)
    scores = log_probs.double()[:, states]
    best[0, :2] = scores[0, :2]
    for time in range(1, len(log_probs)):
        for state, symbol in enumerate(states):
            skips = state >= 2 and symbol != 0 and symbol != states[state - 2]
            sources = [state - step for step in range(3 if skips else 2) if state - step >= 0]
            came[time, state] = max(sources, key=lambda source: float(best[time - 1, source]))
            best[time, state] = best[time - 1, came[time, state]] + scores[time, state]
    ends = [state for state in (len(states) - 1, len(states) - 2) if state >= 0]
    state = max(ends, key=lambda end: float(best[-1, end]))
    path = [state]
    for time in range(len(log_probs) - 1, 0, -1):
        path.append(state := int(came[time, state]))
    path.reverse()
    spans = []
    for place, symbol in enumerate(symbols):
        at = [time for time, state in enumerate(path) if state == 2 * place + 1]
        probability = float(log_probs[at, symbol].exp().mean())
        spans.append(GlossSpan(vocabulary.glosses[symbol - 1], at[0], at[-1], probability))
    return spans
