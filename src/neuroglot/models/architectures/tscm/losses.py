"""What a recogniser learns from: CTC at several levels, and what a frozen teacher says of the same clips."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.tscm.config import TSCMConfig
from neuroglot.models.architectures.tscm.timeline import Timeline
from neuroglot.models.ctc import ctc_losses, padded_targets


def clip_losses(logits: Tensor, timeline: Timeline, labels: Tensor) -> Tensor:
    """Negative log probability of each clip's labels, in nats: `[F, K + 1]` and `[B, S]` → `[B]`, in float32.

    Labels of −100 are padding on the right; 0 is the blank. Raises `ConfigError` for labels that are no glosses, and
    for a clip whose labels do not fit, because its loss would be infinite, or a silent 0 under `zero_infinity`.
    """
    targets, lengths = padded_targets(labels)
    with torch.autocast(logits.device.type, enabled=False):
        log_probs = timeline.padded(logits.float().log_softmax(-1))
        frames = torch.tensor(timeline.lengths, device=logits.device)
        return ctc_losses(log_probs, frames, targets, lengths, blank=0)


def distillation_loss(
    config: TSCMConfig, features: Tensor, logits: Tensor, teacher_features: Tensor | None, teacher_logits: Tensor | None
) -> Tensor:
    """α·mean‖F_S − F_T‖² + γ·τ²·KL(softmax(Z_T/τ) ‖ softmax(Z_S/τ)), over real frames only, the blank left out of KL.

    Source: the abstract of 2303.06820 for both terms; their form, τ and the missing blank are those of public code of
    the same authors. Features `[F, C, h, w]`, logits `[F / 4, K + 1]`; what is None or has no weight adds nothing.
    Raises `ConfigError` where teacher and student have other shapes.
    """
    loss = logits.new_zeros((), dtype=torch.float32)
    if teacher_features is not None and config.feature_weight:
        if config.recover == "bilinear":
            size = teacher_features.shape[-2:]
            features = functional.interpolate(features, size=size, mode="bilinear", align_corners=False)
        _require_alike("features", features, teacher_features)
        loss = loss + config.feature_weight * functional.mse_loss(features.float(), teacher_features.float())
    if teacher_logits is not None and config.logit_weight:
        _require_alike("logits", logits, teacher_logits)
        own, others = ((part[:, 1:].float() / config.temperature).log_softmax(-1) for part in (logits, teacher_logits))
        divergence = functional.kl_div(own, others, reduction="batchmean", log_target=True)
        loss = loss + config.logit_weight * config.temperature**2 * divergence
    return loss


def _require_alike(what: str, student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape:
        raise ConfigError(
            f"The student has {what} {list(student.shape)}, the teacher {list(teacher.shape)}.",
            "Expected the same shape.",
            "Give the student frames of another size, 'recover' its features, or say teacher_channels in its config.",
        )
