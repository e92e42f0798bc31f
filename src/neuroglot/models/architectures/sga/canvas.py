"""The canvas: how long it is, what a pass reads from it, what noise does to it, and which text it says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.models.architectures.sga.config import SGAConfig
from neuroglot.models.ctc import collapsed


def real_positions(lengths: Tensor, width: int | None = None) -> Tensor:
    """Which positions of rows padded on the right are real, bool `[B, T]`."""
    widest = int(lengths.max()) if width is None else width
    return torch.arange(widest, device=lengths.device) < lengths[:, None]


@dataclass(frozen=True, eq=False)
class FrameReading:
    """What a head says of each frame: the likeliest symbol, its probability, and the second likeliest, all `[B, T]`."""

    first: Tensor
    confidence: Tensor
    second: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> FrameReading:
        """The reading of logits `[B, T, V]`."""
        values, symbols = logits.topk(2, dim=-1)
        confidence = (values[..., 0].float() - logits.float().logsumexp(-1)).exp()
        return cls(symbols[..., 0], confidence, symbols[..., 1])

    def filled(self, blank: int) -> Tensor:
        """The canvas that the next pass reads: where the blank is likeliest, the second-best token, `[B, T]`."""
        return torch.where(self.first == blank, self.second, self.first)

    def path(self, config: SGAConfig) -> Tensor:
        """The path that is collapsed: a blank less sure than `blank_confidence` is the second-best token, `[B, T]`."""
        unsure = (self.first == config.blank) & (self.confidence < config.blank_confidence)
        return torch.where(unsure, self.second, self.first)

    def texts(self, config: SGAConfig, frames: Tensor) -> list[list[int]]:
        """The token ids that the path of each row says."""
        return collapsed(self.path(config), frames, config.blank)

    def places(self, frames: Tensor) -> list[list[int]]:
        """The token ids at the places of each row, as of mask-predict, whose canvas is the text."""
        return [row[:count] for row, count in zip(self.first.tolist(), frames.tolist(), strict=True)]


def noised(tokens: Tensor, real: Tensor, config: SGAConfig, rate: Tensor) -> Tensor:
    """The canvas `[B, T]` in which each real position is replaced with probability `rate` `[B]`.

    A replaced one becomes a blank, a token drawn from the vocabulary, or the token at another place of its own row, in
    the shares of `noise_kinds` (0.4, 0.3, 0.3). In the released code all rows copy from the same places.
    """
    device, shape = tokens.device, tokens.shape
    is_replaced = real & (torch.rand(shape, device=device) < rate[:, None])
    kind = torch.rand(shape, device=device)
    blanks, others, _ = config.noise_kinds
    drawn = torch.randint(0, config.vocab_size, shape, device=device)
    places = (torch.rand(shape, device=device) * real.sum(1, keepdim=True)).long()
    copied = tokens.gather(1, places.clamp(max=shape[1] - 1))
    replaced = torch.where(kind < blanks, config.blank, torch.where(kind < blanks + others, drawn, copied))
    return torch.where(is_replaced, replaced, tokens)
