"""Tiny TransNormerLLMs, and what one computes by the formulas alone."""

from typing import Any

import torch
from torch import Tensor

from neuroglot.models.architectures.transnormer import TransNormerConfig, TransNormerForCausalLM
from neuroglot.models.architectures.transnormer.positions import log_decays
from tests.models.transnormer.oracle import plain_attention

TINY = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
    "block_size": 4, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": None,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "as released": {},
    "paper": {"decay": "paper"},
    "no temperature": {"decay": "none"},
    "one layer": {"num_hidden_layers": 1},
    "lrpe and decay in all layers": {"lrpe_layers": [0, 1, 2]},
    "lrpe alone": {"lrpe_layers": [0, 1, 2], "decay_layers": []},
    "decay alone": {"lrpe_layers": []},
    "neither": {"lrpe_layers": [], "decay_layers": []},
    "three heads, wider": {"num_attention_heads": 3, "attention_size": 24},
    "ungated": {"use_gate": False},
    "1+elu, silu, rms": {"attention_activation": "1+elu", "glu_activation": "silu", "norm": "rms"},
    "none, layer, unscaled": {"attention_activation": "none", "norm": "layer", "scale_embedding": False},
    "hybrid": {"layer_types": ["linear_attention", "full_attention", "linear_attention"]},
    "softmax first, with lrpe": {
        "layer_types": ["full_attention", "linear_attention", "full_attention"], "lrpe_layers": [0, 1],
    },
    "softmax alone": {"layer_types": ["full_attention"] * 3, "lrpe_layers": [0, 1, 2]},
}  # fmt: skip


def tiny(kind: str = "as released", dtype: torch.dtype = torch.float64, **options: Any) -> TransNormerForCausalLM:
    """A random model in eval mode, its weights wide enough for logits that differ."""
    torch.manual_seed(0)
    model = TransNormerForCausalLM._from_config(
        TransNormerConfig(**(TINY | KINDS[kind] | options)), dtype=torch.float64
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                parameter.normal_(0, 0.3)
            elif "norm" in name:
                parameter.normal_(1, 0.2)
    return model.to(dtype).eval()


def token_ids(rows: int = 2, length: int = 11, seed: int = 0) -> Tensor:
    return torch.randint(3, 64, (rows, length), generator=torch.Generator().manual_seed(seed))


def plain_logits(model: TransNormerForCausalLM, ids: Tensor) -> Tensor:
    """Logits `[B, T, V]` of unpadded texts by the formulas, in float64; the config is read, no code of the model."""
    config, weights = model.config, {name: weight.detach().double() for name, weight in model.state_dict().items()}
    states = weights["model.embed_tokens.weight"][ids] * (config.hidden_size**0.5 if config.scale_embedding else 1)
    for layer in range(config.num_hidden_layers):
        own = {
            name.removeprefix(f"model.layers.{layer}."): weight
            for name, weight in weights.items()
            if name.startswith(f"model.layers.{layer}.")
        }
        states = states + _mixed(config, layer, own, _normed(config, states, own, "attention_norm"))
        normed = _normed(config, states, own, "mlp_norm")
        gate = normed @ own["mlp.gate_proj.weight"].T
        gate = torch.nn.functional.silu(gate) if config.glu_activation == "silu" else gate
        states = states + (gate * (normed @ own["mlp.up_proj.weight"].T)) @ own["mlp.down_proj.weight"].T
    return _normed(config, states, weights, "model.final_norm") @ weights["lm_head.weight"].T


def _mixed(config: TransNormerConfig, layer: int, own: dict[str, Tensor], states: Tensor) -> Tensor:
    parts = (states @ own["attention.qkvu_proj.weight"].T).split(config.attention_size, dim=-1)
    heads, linear = config.num_attention_heads, config.layer_types[layer] == "linear_attention"
    q, k, v = (part.reshape(*part.shape[:2], heads, -1).permute(0, 2, 1, 3) for part in parts[:3])
    activations = {"silu": torch.nn.functional.silu, "1+elu": lambda x: torch.where(x > 0, x + 1, x.exp())}
    activation = activations.get(config.attention_activation)
    if linear and activation is not None:
        q, k = activation(q), activation(k)
    if layer in config.lrpe_layers:
        phase = own["attention.lrpe.theta"] * torch.arange(states.shape[1])[:, None]
        q, k = (torch.cat([x * phase.cos(), x * phase.sin()], dim=-1) for x in (q, k))
    if linear:
        rates = log_decays(config.decay, heads, layer, config.num_hidden_layers)
        decays = rates if layer in config.decay_layers else [0] * heads
        mixed, _ = plain_attention(q, k, v, torch.tensor(decays, dtype=torch.float64))
    else:
        future = torch.ones(states.shape[1], states.shape[1], dtype=torch.bool).triu(1)
        scores = (q @ k.transpose(-1, -2) / v.shape[-1] ** 0.5).masked_fill(future, -torch.inf)
        mixed = scores.softmax(-1) @ v
    mixed = _normed(config, mixed.permute(0, 2, 1, 3).flatten(2), own, "attention.norm")
    return (mixed * parts[3] if config.use_gate else mixed) @ own["attention.out_proj.weight"].T


def _normed(config: TransNormerConfig, states: Tensor, own: dict[str, Tensor], name: str) -> Tensor:
    if config.norm == "layer":
        states = states - states.mean(-1, keepdim=True)
    states = states / ((states**2).mean(-1, keepdim=True) + config.norm_eps).sqrt()
    return states * own.get(f"{name}.weight", 1) + own.get(f"{name}.bias", 0)
