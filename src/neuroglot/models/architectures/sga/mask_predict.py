"""Variants of the released code: mask-predict (Ghazvininejad et al. 2019) with a length head, and a denoiser behind.

A canvas has a place for each target token. In training a part of them is hidden; in writing all are, as many as the
length head says, and after each pass the least sure are hidden again.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.sga.canvas import FrameReading, noised, real_positions
from neuroglot.models.architectures.sga.outputs import ALIGN, DENOISE, DOUBLED, Looks, Memory, SGAOutput, WrittenCanvas
from neuroglot.models.ctc import padded_targets

LEAST_HIDDEN = 0.2  # of a target in training
PREDICT_STEPS = 2  # passes of the canvas in writing


def mask_predict_losses(
    model: Looks, memory: Memory, labels: Tensor, num_items_in_batch: Tensor | int | None
) -> SGAOutput:
    """Label-smoothed cross-entropy of hidden tokens, of the length, and CTC of a denoiser, if there is one.

    A share max(0.2, U(0, 1)) of each target is hidden. Raises `ConfigError` for a target longer than the canvas.
    """
    config = model.config
    targets, lengths = padded_targets(labels)
    shown = real_positions(lengths, labels.shape[1])
    if int(lengths.max()) > config.max_target:
        raise ConfigError(
            f"A target has {int(lengths.max())} tokens.", f"Expected at most {config.max_target}, the longest canvas."
        )
    share = torch.rand(len(labels), 1, device=labels.device).clamp(min=LEAST_HIDDEN)
    order = torch.rand(labels.shape, device=labels.device).masked_fill(~shown, 2.0).argsort(1).argsort(1)
    hidden = order < (share * lengths[:, None]).ceil()
    logits = model.look(ALIGN, targets.masked_fill(hidden, model.mask_id), shown, memory)[..., : config.vocab_size]
    smoothed = cross_entropy(
        logits[hidden].float(), targets[hidden], reduction="sum", label_smoothing=config.label_smoothing
    )
    count = lengths.sum() if num_items_in_batch is None else num_items_in_batch
    assert model.length_head is not None
    length = cross_entropy(model.length_head(memory.first).float(), lengths, reduction="sum")
    align = (smoothed + length) / count
    if not config.has_denoiser:
        return SGAOutput(align, logits, lengths, align)
    predicted = torch.where(hidden, logits.argmax(-1), targets)
    canvas, frames = predicted.repeat_interleave(DOUBLED, 1), lengths * DOUBLED
    real = real_positions(frames, canvas.shape[1])
    rate = torch.full((len(labels),), config.noise_rate, device=labels.device)
    denoised = model.look(DENOISE, noised(canvas, real, config, rate), real, memory)
    denoise = model.ctc(denoised, frames, labels) / count
    return SGAOutput(align + denoise, denoised, frames, align, denoise)


def predicted_canvas(model: Looks, memory: Memory) -> WrittenCanvas:
    """What mask-predict writes in its passes: a token at each place, as many as the length head says.

    After pass i of n the share 1 − i/n of the least sure tokens is hidden and predicted again.
    """
    config = model.config
    assert model.length_head is not None
    lengths = model.length_head(memory.first).argmax(-1).clamp(1, config.max_target)
    real = real_positions(lengths)
    tokens = torch.full(real.shape, model.mask_id, device=real.device)
    confidence = torch.zeros(real.shape, device=real.device)
    hidden = real
    for step in range(1, PREDICT_STEPS + 1):
        logits = model.look(ALIGN, tokens.masked_fill(hidden, model.mask_id), real, memory)[..., : config.vocab_size]
        log_probs = logits.float().log_softmax(-1)
        best = log_probs.max(-1)
        tokens = torch.where(hidden, best.indices, tokens)
        confidence = torch.where(hidden, best.values.exp(), confidence)
        again = (lengths * (1 - step / PREDICT_STEPS)).floor()[:, None]
        hidden = real & (confidence.masked_fill(~real, 2.0).argsort(1).argsort(1) < again)
    second = log_probs.topk(2, dim=-1).indices[..., 1]
    passes = torch.full_like(lengths, 1 + PREDICT_STEPS)
    reading = FrameReading(tokens, confidence, second)
    return WrittenCanvas(reading, lengths, passes, torch.zeros_like(real[:, 0]), places=True)
