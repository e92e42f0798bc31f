"""A training that is a part of a longer one: its place in the schedule, and the moments of AdamW, handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neuroglot.errors import ArtifactError
from neuroglot.storage import load_tensors, save_tensors

MOMENTS_KIND = "moments of AdamW"
MOMENT_KEYS = ("step", "exp_avg", "exp_avg_sq")
Moments = dict[str, Tensor]  # `exp_avg`, `exp_avg_sq` and `step` of each parameter, as `name/exp_avg`


@dataclass(eq=False)
class Continued:
    """`first` steps of `steps` in all were made before, of which the first `warmup` raise the rate.

    `moments` are what AdamW knows of each parameter by name, and afterwards what it knows then; of one that it knows
    nothing of it begins anew.
    """

    first: int
    steps: int
    warmup: int = 0
    moments: Moments = field(default_factory=dict)

    def install(self, model: Any, optimizer: Any) -> None:
        """Give the optimizer what is known of the model's parameters; it is held there only, until it is taken back."""
        for name, parameter in model.named_parameters():
            known = {key: self.moments.pop(f"{name}/{key}") for key in MOMENT_KEYS if f"{name}/{key}" in self.moments}
            if known and parameter.requires_grad:
                optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in known.items()}

    def take(self, model: Any, optimizer: Any) -> None:
        """Note what the optimizer knows now of the parameters that it trained."""
        state = optimizer.state
        for name, parameter in model.named_parameters():
            for key, value in state.get(parameter, {}).items():
                self.moments[f"{name}/{key}"] = torch.as_tensor(value).detach().cpu()

    def schedule(self, scheduler: Any) -> None:
        """Let a schedule over all steps begin at the first of this part."""
        scheduler.lr_lambdas = [partial(_later, rate, self.first) for rate in scheduler.lr_lambdas]
        rates = [base * rate(0) for base, rate in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)]
        for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        scheduler._last_lr = rates


def _later(rate: Any, first: int, step: int) -> float:
    return float(rate(first + step))


def save_moments(path: Path, moments: Mapping[str, Tensor]) -> Path:
    """Write moments as one safetensors file, whole or not at all."""
    return save_tensors(path, MOMENTS_KIND, moments, {})


def load_moments(path: Path) -> Moments:
    """The inverse; raises `ArtifactError` for another file."""
    moments, _ = load_tensors(path, MOMENTS_KIND)
    if wrong := [name for name in moments if name.rpartition("/")[2] not in MOMENT_KEYS]:
        raise ArtifactError(f"{path} holds {wrong[0]!r}.", "Expected moments of AdamW.")
    return moments
