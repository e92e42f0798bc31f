"""Writing: align once, then denoise until nothing changes, for the rows that still change."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from neuroglot.models.architectures.sga.canvas import FrameReading, real_positions
from neuroglot.models.architectures.sga.mask_predict import predicted_canvas
from neuroglot.models.architectures.sga.outputs import ALIGN, DENOISE, Looks, Memory, WrittenCanvas


def write(model: Looks, memory: Memory, denoising: int, keep_log_probs: bool) -> WrittenCanvas:
    """What the model writes of a memory in at most `denoising` passes behind the alignment.

    Mask-predict's canvas is a text as it stands until a denoiser reads it, so that without a pass of one repeated words
    are kept.
    """
    if model.config.writing != "ctc":
        predicted = predicted_canvas(model, memory)
        return _denoised(model, memory, predicted.doubled(), denoising, keep_log_probs) if denoising else predicted
    frames = model.frames_of(memory)
    real = real_positions(frames)
    logits = model.look(ALIGN, torch.full_like(real, model.mask_id, dtype=torch.long), real, memory)
    passes = torch.full_like(frames, 2)
    kept = logits.float().log_softmax(-1) if keep_log_probs else None
    aligned = WrittenCanvas(FrameReading.of(logits), frames, passes, torch.zeros_like(real[:, 0]), kept)
    return _denoised(model, memory, aligned, denoising, keep_log_probs)


def _denoised(model: Looks, memory: Memory, written: WrittenCanvas, most: int, keep_log_probs: bool) -> WrittenCanvas:
    """Denoise at most `most` times; a row whose canvas a pass leaves as it was is at a fixed point."""
    blank = model.config.blank
    canvas = written.reading.filled(blank)
    first, confidence, second = (part.clone() for part in vars(written.reading).values())
    passes, settled, log_probs = written.passes.clone(), written.settled.clone(), written.log_probs
    active = torch.arange(len(canvas), device=canvas.device)
    for _ in range(most):
        if not len(active):
            break
        frames = written.frames[active]
        real = real_positions(frames)
        width = real.shape[1]
        logits = model.look(DENOISE, canvas[active, :width], real, memory.rows(active))
        reading = FrameReading.of(logits)
        after = reading.filled(blank)
        changed = ((after != canvas[active, :width]) & real).any(1)
        for part, new in zip((first, confidence, second, canvas), (*vars(reading).values(), after), strict=True):
            part[active, :width] = new.to(part.dtype)
        if log_probs is not None:
            log_probs[active, :width] = logits.float().log_softmax(-1)
        passes[active] += 1
        settled[active[~changed]] = True
        active = active[changed]
    return replace(
        written, reading=FrameReading(first, confidence, second), passes=passes, settled=settled, log_probs=log_probs
    )


def padded(texts: list[list[int]], value: int, device: torch.device) -> Tensor:
    """Token ids `[B, U]` of texts of different length, padded on the right."""
    ids = torch.full((len(texts), max(map(len, texts), default=0)), value)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text, dtype=torch.long)
    return ids.to(device)
