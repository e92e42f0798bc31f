"""What trajectory inversion needs of a training: the running mean of the probabilities of each choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neuroglot import distribution
from neuroglot.errors import ArtifactError
from neuroglot.storage import load_tensors, save_tensors
from neuroglot.tokens.examples import IGNORED

TRAJECTORY_FILE = "trajectory.safetensors"
TRAJECTORY_KIND = "trajectory"
SCORES_AT_ONCE = 2**22  # scores: 32 MiB of float64


@dataclass(eq=False)
class Trajectory:
    """Sums over the steps of a training, each weighted by its learning rate η.

    * `choices [V]`: Σ η · the mean over the step's learned tokens of the probability of each token.
    * `chosen [V]`: Σ η · the share of each token among them; over `total_rate`, Σ η, it is what an inversion is to
      find.
    * `start [V]`: the bias of the output layer before the first step; zeros for a model without one.

    Of the output bias, trained by plain SGD, `chosen / total_rate` is `choices / total_rate` and what the bias grew by
    over `total_rate`, exactly; of AdamW, and of scores that depend on a context, it is an approximation. All float64.
    """

    choices: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    chosen: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    start: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    total_rate: float = 0.0
    steps: int = 0
    _step: Tensor | None = None  # [2, V]: sums over the tokens of the step that is being made
    _rate: float = 0.0

    @property
    def mean_choice(self) -> Tensor:
        """p̄ `[V]`, the mean of the probabilities over the steps."""
        return self.choices / self.total_rate

    def begin(self, model: Any) -> None:
        """Note the output bias, once."""
        if not len(self.start):
            head = model.get_output_embeddings()
            bias = getattr(head, "bias", None)
            size = head.weight.shape[0]
            self.start = (torch.zeros(size) if bias is None else bias.detach().cpu()).double().clone()

    @torch.no_grad()
    def observe(self, logits: Tensor, labels: Tensor, rate: float) -> None:
        """Add what a model says of a batch, `[B, T, V]`, whose labels `[B, T]` are those of the next position."""
        logits, labels = logits[:, :-1], labels[:, 1:]
        learned = labels != IGNORED
        size = logits.shape[-1]
        sums = torch.zeros(2, size, dtype=torch.float64)
        together = max(1, SCORES_AT_ONCE // size)
        for part, targets in zip(logits[learned].split(together), labels[learned].split(together), strict=True):
            sums[0] += part.double().softmax(-1).sum(0).cpu()
            sums[1] += torch.bincount(targets, minlength=size).double().cpu()
        self._step, self._rate = sums if self._step is None else self._step + sums, rate

    def end_step(self) -> None:
        """Close a step, over all processes that share it."""
        if self._step is None:
            return
        distribution.combine([(self._step, False)])
        means = self._step / self._step[1].sum().clamp(min=1)
        if not len(self.choices):
            self.choices, self.chosen = torch.zeros_like(means[0]), torch.zeros_like(means[0])
        self.choices, self.chosen = self.choices + self._rate * means[0], self.chosen + self._rate * means[1]
        self.total_rate, self.steps, self._step = self.total_rate + self._rate, self.steps + 1, None

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """The three sums `[3, V]`, and the total rate and the steps `[2]`: what `of` makes it from again."""
        return torch.stack([self.choices, self.chosen, self.start]), torch.tensor(
            [self.total_rate, self.steps], dtype=torch.float64
        )

    @classmethod
    def of(cls, sums: Tensor, totals: Tensor) -> Trajectory:
        """The inverse of `tensors`."""
        return cls(sums[0], sums[1], sums[2], float(totals[0]), int(totals[1]))

    def save(self, path: Path | str) -> Path:
        """Write it whole or not at all."""
        tensors = {"choices": self.choices, "chosen": self.chosen, "start": self.start}
        return save_tensors(path, TRAJECTORY_KIND, tensors, {"total_rate": self.total_rate, "steps": self.steps})

    @classmethod
    def load(cls, path: Path | str) -> Trajectory:
        """Read what `save` wrote; raises `ArtifactError` on any other file."""
        tensors, header = load_tensors(path, TRAJECTORY_KIND)
        rate, steps = header.get("total_rate"), header.get("steps")
        if not _is_whole(tensors) or not isinstance(rate, float) or type(steps) is not int or rate < 0 or steps < 0:
            raise ArtifactError(f"{path} holds no whole trajectory.", "Expected what `neuroglot tune` wrote.")
        return cls(tensors["choices"], tensors["chosen"], tensors["start"], rate, steps)

    def restore(self, path: Path) -> None:
        """Go on from what was saved with a checkpoint."""
        saved = Trajectory.load(path)
        self.choices, self.chosen, self.start = saved.choices, saved.chosen, saved.start
        self.total_rate, self.steps, self._step = saved.total_rate, saved.steps, None


def _is_whole(tensors: Mapping[str, Tensor]) -> bool:
    shapes = {tuple(tensor.shape) for tensor in tensors.values()}
    return set(tensors) == {"choices", "chosen", "start"} and len(shapes) == 1 and len(next(iter(shapes))) == 1
