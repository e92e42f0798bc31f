"""The parts of a TransNormerLLM: norms, gated attention, and the gated linear unit without a nonlinearity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, silu
from transformers.cache_utils import DynamicLayer
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.transnormer.cache import StateLayer, TransNormerCache, refuse_others
from neuroglot.models.architectures.transnormer.config import TransNormerConfig
from neuroglot.models.architectures.transnormer.lightning import Clock, lightning_attention
from neuroglot.models.architectures.transnormer.parallel import OwnHeads, summed_over
from neuroglot.models.architectures.transnormer.positions import (
    finest_dtype,
    log_decays,
    lrpe_frequencies,
    with_phase,
)


@dataclass(frozen=True, eq=False)
class LayerInputs:
    """What all layers know of the tokens of one forward: their clock and positions, and the mask of softmax layers."""

    clock: Clock
    position: Tensor
    causal_mask: Tensor | None


class TransNormerNorm(nn.Module):
    """`x / sqrt(mean(x²) + ε)` without a gain (SRMSNorm), or RMSNorm or LayerNorm, computed in float32 or better."""

    def __init__(self, kind: str, width: int, eps: float) -> None:
        super().__init__()
        self.kind, self.eps = kind, eps
        self.weight = None if kind == "srms" else nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if kind == "layer" else None

    def forward(self, states: Tensor, group: Any = None, width: int = 0) -> Tensor:
        """The normed states; those of a `group` of processes are parts of one vector of `width` channels."""
        precise = states.to(torch.promote_types(states.dtype, torch.float32))
        if group is not None:
            squares = summed_over(precise.square().sum(-1, keepdim=True), group)
            return precise * torch.rsqrt(squares / width + self.eps)
        if self.kind == "layer":
            precise = precise - precise.mean(-1, keepdim=True)
        precise = precise * torch.rsqrt(precise.square().mean(-1, keepdim=True) + self.eps)
        if self.weight is not None:
            precise = precise * self.weight
        return precise if self.bias is None else precise + self.bias


class LRPE(nn.Module):
    """Learned phases by head and channel, `theta` `[H, 1, K]`."""

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(lrpe_frequencies(heads, width))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> LRPE:
        """Also where a model is cast to half precision, phases stay in float32."""
        theta = self.theta.detach()
        super()._apply(fn, recurse)
        if self.theta.dtype.itemsize < torch.float32.itemsize:
            self.theta.data = theta.to(self.theta.device)
        return self

    def forward(self, features: Tensor, position: Tensor, heads: slice) -> Tensor:
        return with_phase(features, self.theta[heads], position)


class GatedAttention(nn.Module):
    """`Norm(attention(Q, K, V)) ⊙ U` projected back, by linear or softmax attention; the norm is over all heads."""

    is_causal = True
    num_key_value_groups = 1

    def __init__(self, config: TransNormerConfig, layer: int) -> None:
        super().__init__()
        assert config.layer_types is not None
        assert config.attention_size is not None
        assert config.lrpe_layers is not None
        self.config, self.layer = config, layer
        self.heads, self.is_linear = config.num_attention_heads, config.layer_types[layer] == "linear_attention"
        self.parts = 4 if config.use_gate else 3
        self.qkvu_proj = nn.Linear(config.hidden_size, self.parts * config.attention_size, bias=False)
        self.out_proj = nn.Linear(config.attention_size, config.hidden_size, bias=False)
        self.norm = TransNormerNorm(config.norm, config.attention_size, config.norm_eps)
        self.lrpe = LRPE(self.heads, config.head_dim) if layer in config.lrpe_layers else None
        self.log_decays = _log_decays(config, layer)

    def forward(self, states: Tensor, inputs: LayerInputs, past_key_values: TransNormerCache | None = None) -> Tensor:
        own = OwnHeads.of(self.qkvu_proj.weight, self.heads)
        queries, keys, values, *gate = self.qkvu_proj(states).chunk(self.parts, dim=-1)
        heads = [part.unflatten(-1, (own.count, -1)).transpose(1, 2) for part in (queries, keys, values)]
        attend = self._linear if self.is_linear else self._softmax
        attended = attend(heads[0], heads[1], heads[2], inputs, past_key_values, own.numbers).transpose(1, 2).flatten(2)
        mixed = self._normed(attended, own).to(states.dtype)
        return self.out_proj(mixed * gate[0] if gate else mixed)

    def _normed(self, attended: Tensor, own: OwnHeads) -> Tensor:
        if own.group is None:
            return self.norm(attended)
        if self.norm.kind != "srms":
            raise ConfigError(
                f"The heads of a model with norm={self.norm.kind!r} were to be split among processes.",
                "Expected norm='srms', which has no weights.",
            )
        exact = self.config.norm_over == "all heads"
        return self.norm(attended, own.group if exact else None, self.config.attention_size)

    def _linear(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        inputs: LayerInputs,
        past: TransNormerCache | None,
        own: slice,
    ) -> Tensor:
        activation = self.config.attention_activation
        queries, keys = self._placed(_activated(queries, activation), _activated(keys, activation), inputs, own)
        memory = None if past is None else past.layers[self.layer]
        assert memory is None or isinstance(memory, StateLayer)
        shape = queries.shape[1], queries.shape[-1], values.shape[-1]
        state = None if memory is None else memory.begin(len(queries), shape, queries.device)
        rates = torch.tensor(self.log_decays[own], dtype=finest_dtype(queries.device), device=queries.device)
        outputs, state = lightning_attention(
            queries, keys, values, rates, inputs.clock, state, block=self.config.block_size
        )
        if memory is not None:
            memory.go_on(state, queries.shape[2])
        return outputs

    def _softmax(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        inputs: LayerInputs,
        past: TransNormerCache | None,
        own: slice,
    ) -> Tensor:
        queries, keys = (part.to(values.dtype) for part in self._placed(queries, keys, inputs, own))
        if past is not None:
            memory = past.layers[self.layer]
            assert isinstance(memory, DynamicLayer)
            refuse_others(memory.keys, (*keys.shape[:2], memory.get_seq_length(), keys.shape[3]))
            keys, values = past.update(keys, values, self.layer)
        if not queries.numel():  # of no rows or tokens, which sdpa cannot bring back into shape
            return values[:, :, : queries.shape[2]]
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, _eager)
        scale = self.config.head_dim**-0.5
        outputs, _ = attend(self, queries, keys, values, inputs.causal_mask, dropout=0.0, scaling=scale)
        return outputs.transpose(1, 2)

    def _placed(self, queries: Tensor, keys: Tensor, inputs: LayerInputs, own: slice) -> tuple[Tensor, Tensor]:
        if self.lrpe is None:
            return queries, keys
        return self.lrpe(queries, inputs.position, own), self.lrpe(keys, inputs.position, own)


class SimpleGLU(nn.Module):
    """`down(gate(x) ⊙ up(x))`: no nonlinearity, unless the config asks for one on the gate."""

    def __init__(self, config: TransNormerConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.act_fn = nn.SiLU() if config.glu_activation == "silu" else nn.Identity()

    def forward(self, states: Tensor) -> Tensor:
        return self.down_proj(self.act_fn(self.gate_proj(states)) * self.up_proj(states))


class TransNormerLayer(GradientCheckpointingLayer):
    """`x + attention(norm(x))`, then `x + glu(norm(x))`."""

    def __init__(self, config: TransNormerConfig, layer: int) -> None:
        super().__init__()
        self.attention = GatedAttention(config, layer)
        self.mlp = SimpleGLU(config)
        self.attention_norm = TransNormerNorm(config.norm, config.hidden_size, config.norm_eps)
        self.mlp_norm = TransNormerNorm(config.norm, config.hidden_size, config.norm_eps)

    def forward(self, states: Tensor, inputs: LayerInputs, past_key_values: TransNormerCache | None = None) -> Tensor:
        normed = self.attention_norm(states).to(states.dtype)
        states = states + self.attention(normed, inputs, past_key_values=past_key_values)
        return states + self.mlp(self.mlp_norm(states).to(states.dtype))


def _log_decays(config: TransNormerConfig, layer: int) -> list[float]:
    assert config.decay_layers is not None
    if layer not in config.decay_layers:
        return [0.0] * config.num_attention_heads
    return log_decays(config.decay, config.num_attention_heads, layer, config.num_hidden_layers)  # type: ignore[arg-type]


def _activated(features: Tensor, activation: str) -> Tensor:
    if activation == "silu":
        return silu(features)
    return 1 + elu(features) if activation == "1+elu" else features


def _eager(
    _module: nn.Module, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float, **_: Any
) -> tuple[Tensor, Tensor]:
    """Softmax attention in plain products; `mask` is added to the scores. Returns `[B, T, H, V]` and the weights."""
    scores = (queries @ keys.mT) * scaling
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    weights = torch.softmax(scores if mask is None else scores + mask, dim=-1).to(values.dtype)
    return (weights @ values).transpose(1, 2), weights
