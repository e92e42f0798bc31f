"""The final norm, frozen: with the scale that it has at a position, each neuron's share of a logit adds up exactly.

norm(h) = k·s∘(h − μ) + β, where k is one number a position, s and β are fixed, and μ is the mean of h or 0. With k held
fast, u·norm(h) is linear in h, so that FFN, attention and embedding terms and u·β sum to the logit. Nothing is taken
from a norm's parameters: s, β and μ are read off what it does to a probe, and all of it is checked before it is used.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neuroglot.attribution.residual import layer_reaches
from neuroglot.errors import ConfigError
from neuroglot.layout import Layer
from neuroglot.models.inputs import DUMMY_TOKENS
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView

NORM_PARENTS = ("", "model", "decoder", "language_model")  # relative to the model without its head
NORM_NAMES = ("norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f", "layer_norm", "final_norm")
NORM_TOLERANCE = 0.02  # relative; half precision rounds what the module returns
Watch = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True, eq=False)
class FrozenNorm:
    """The final norm `module`; `scale` s and `shift` β `[D]`, whether it is `centred`, and how much of what a layer
    writes reaches the residual stream, `reach`.
    """

    module: nn.Module
    scale: Tensor
    shift: Tensor
    centred: bool
    reach: Mapping[Layer, float]

    def directions(self, rows: Tensor) -> Tensor:
        """What u·norm(h) multiplies h by, up to the position's factor k: `[K, D]` → `[K, D]`."""
        scaled = rows * self.scale.to(rows.device)
        return scaled - scaled.mean(-1, keepdim=True) if self.centred else scaled

    def factors(self, before: Tensor, after: Tensor) -> Tensor:
        """k at positions with input and output `[P, D]`: `[P]`; raises `ConfigError` where the norm does otherwise."""
        before, after = before.float(), after.float() - self.shift.to(after.device)
        centre = before.mean(-1, keepdim=True) if self.centred else torch.zeros_like(before[:, :1])
        unscaled = (before - centre) * self.scale.to(before.device)
        factors = (after * unscaled).sum(-1) / unscaled.square().sum(-1)
        error = (after - factors[:, None] * unscaled).norm(dim=-1)
        if not bool(((error <= NORM_TOLERANCE * after.norm(dim=-1)) & (factors > 0)).all()):
            raise _refusal(type(self.module).__name__, "does something else than to scale and shift each dimension")
        return factors

    @contextmanager
    def watching(self, watch: Watch) -> Iterator[None]:
        """Show `watch` what goes into the norm and comes out, flattened `[positions, D]`, at each forward."""
        handle = self.module.register_forward_hook(_shown_to(watch))
        try:
            yield
        finally:
            handle.remove()


def find_frozen_norm(view: ModelView) -> FrozenNorm:
    """The final norm of a model, checked in dummy forwards; raises `ConfigError` where a check fails.

    Candidates stand in a small table of names. That norm is taken behind which the head gives the model's logits, up to
    a constant factor (`logit_scale`, `logits_scaling`) or `final_logit_softcapping`; a bias of the head is no part of
    the sum. What each layer writes must reach the residual stream as it is, or times a constant: models that normalise
    the output of a layer's network first (Gemma 2, OLMo 2, GLM-4) are refused.
    """
    token_ids = torch.arange(1, 1 + DUMMY_TOKENS, device=view.model.device)[None]
    with view.evaluating():
        module, width = _verified(view, token_ids)
        scale, shift, centred = _probe(module, width)
        return FrozenNorm(module, scale, shift, centred, layer_reaches(view, token_ids))


def _verified(view: ModelView, token_ids: Tensor) -> tuple[nn.Module, int]:
    """The norm that stands before the head, and its width."""
    seen: dict[str, Tensor] = {}
    candidates = dict(_candidates(view))
    with ExitStack() as hooks:
        for name, module in candidates.items():
            hooks.callback(module.register_forward_hook(_keep(seen, name)).remove)
        logits = view.model(input_ids=token_ids, use_cache=False).logits.float()
    for name, after in seen.items():
        if _gives(view, after, logits):
            return candidates[name], after.shape[-1]
    tried = ", ".join(candidates) or "none was found"
    raise _refusal(type(view.model).__name__, f"has no final norm behind which its head gives its logits ({tried})")


def _candidates(view: ModelView) -> Iterator[tuple[str, nn.Module]]:
    for place in NORM_PARENTS:
        for name in NORM_NAMES:
            path = f"{place}.{name}".strip(".")
            try:
                yield path, view.model.base_model.get_submodule(path)
            except AttributeError:
                continue


def _gives(view: ModelView, after: Tensor, logits: Tensor) -> bool:
    head: Any = view.model.get_output_embeddings()
    if after.shape[-1] != head.weight.shape[-1] or after.shape[:-1] != logits.shape[:-1]:
        return False
    raw = head(after).float()
    cap = getattr(text_config(view.model), "final_logit_softcapping", None)
    factor = float((raw * logits).sum() / raw.square().sum())
    expected = cap * torch.tanh(raw / cap) if cap else factor * raw
    return factor > 0 and bool((expected - logits).abs().max() <= NORM_TOLERANCE * logits.abs().max())


def _probe(module: nn.Module, width: int) -> tuple[Tensor, Tensor, bool]:
    """s, β and whether the mean is taken out, from what a copy in float32 makes of 0 and of a vector of ±1."""
    device = next(iter([*module.parameters(), *module.buffers()]), torch.zeros(0)).device
    exact = copy.deepcopy(module).float()
    signs = torch.rand(width, generator=torch.Generator().manual_seed(0)) < 0.5
    probe = torch.where(signs, -1.0, 1.0).to(device)
    shift, once, moved = (exact(one[None])[0].float() for one in (0 * probe, probe, probe + 0.5))
    centred = bool((once - moved).abs().max() <= 1e-3 * once.abs().max())
    return (once - shift) / (probe - probe.mean() if centred else probe), shift, centred


def _keep(seen: dict[str, Tensor], name: str) -> Callable[..., None]:
    return lambda _module, _inputs, output: seen.__setitem__(name, output)


def _shown_to(watch: Watch) -> Callable[..., None]:
    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        watch(inputs[0].reshape(-1, inputs[0].shape[-1]), output.reshape(-1, output.shape[-1]))

    return hook


def _refusal(name: str, what: str) -> ConfigError:
    return ConfigError(
        f"The final norm of the model cannot be frozen: {name} {what}.",
        "Expected a layer or RMS norm before the head, and layers that write into what it reads.",
        "Leave the frozen norm out: the effective score of the paper has none.",
    )
