"""An SGA by the formulas alone, for one unpadded row, in float64: weights are read, no code of a model is run."""

from typing import Any

import torch
from torch import Tensor

LAYERS, HEADS = 3, 2


def attended(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax attention of `[T, D]` over `[M, D]` in two heads."""
    parts = []
    for head in range(HEADS):
        own = slice(head * query.shape[1] // HEADS, (head + 1) * query.shape[1] // HEADS)
        scores = query[:, own] @ keys[:, own].T / (query.shape[1] // HEADS) ** 0.5
        parts.append(scores.softmax(-1) @ values[:, own])
    return torch.cat(parts, dim=1)


def linear(weights: dict[str, Tensor], name: str, states: Tensor) -> Tensor:
    return states @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", torch.tensor(0.0))


def layer_norm(weights: dict[str, Tensor], name: str, states: Tensor, eps: float) -> Tensor:
    states = (states - states.mean(-1, keepdim=True)) / (states.var(-1, unbiased=False, keepdim=True) + eps).sqrt()
    return states * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def rms_norm(weights: dict[str, Tensor], name: str, states: Tensor) -> Tensor:
    return states / (states.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weights[f"{name}.weight"]


def rotated(states: Tensor) -> Tensor:
    """Each half-split pair of channels of a head turned by its position; base 10000."""
    width = states.shape[1] // HEADS
    angles = torch.arange(len(states))[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
    turned = []
    for head in range(HEADS):
        first, second = states[:, head * width : (head + 1) * width].chunk(2, dim=1)
        turned += [first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()]
    return torch.cat(turned, dim=1)


def xlm_roberta_pass(w: dict[str, Tensor], ids: list[int], beside: list[tuple[Tensor, Tensor]]) -> Any:
    """States behind each layer, and logits; `beside` are the other keys and values of each layer."""
    e = "roberta.embeddings."
    states = w[e + "word_embeddings.weight"][ids] + w[e + "token_type_embeddings.weight"][0]
    states = states + w[e + "position_embeddings.weight"][1 : len(ids) + 1]  # padding is token 0: positions from 1
    states, behind = layer_norm(w, e + "LayerNorm", states, 1e-12), []
    for layer, (keys, values) in enumerate(beside):
        a = f"roberta.encoder.layer.{layer}."
        q, k, v = (linear(w, f"{a}attention.self.{name}", states) for name in ("query", "key", "value"))
        mixed = attended(q, torch.cat([keys, k]), torch.cat([values, v]))
        mixed = linear(w, a + "attention.output.dense", mixed)
        states = layer_norm(w, a + "attention.output.LayerNorm", states + mixed, 1e-12)
        inner = torch.nn.functional.gelu(linear(w, a + "intermediate.dense", states))
        states = layer_norm(w, a + "output.LayerNorm", states + linear(w, a + "output.dense", inner), 1e-12)
        behind.append(states)
    head = layer_norm(w, "lm_head.layer_norm", torch.nn.functional.gelu(linear(w, "lm_head.dense", states)), 1e-12)
    return behind, head, head @ w[e + "word_embeddings.weight"].T + w["lm_head.bias"]


def eurobert_pass(w: dict[str, Tensor], ids: list[int], beside: list[tuple[Tensor, Tensor]]) -> Any:
    states, behind = w["model.embed_tokens.weight"][ids], []
    for layer, (keys, values) in enumerate(beside):
        a = f"model.layers.{layer}."
        normed = rms_norm(w, a + "input_layernorm", states)
        q, k, v = (linear(w, f"{a}self_attn.{name}_proj", normed) for name in "qkv")
        mixed = attended(rotated(q), torch.cat([keys, rotated(k)]), torch.cat([values, v]))
        states = states + linear(w, a + "self_attn.o_proj", mixed)
        normed = rms_norm(w, a + "post_attention_layernorm", states)
        gate = torch.nn.functional.silu(linear(w, a + "mlp.gate_proj", normed))
        states = states + linear(w, a + "mlp.down_proj", gate * linear(w, a + "mlp.up_proj", normed))
        behind.append(states)
    behind[-1] = states = rms_norm(w, "model.norm", states)
    return behind, states, states @ w["lm_head.weight"].T


PASSES = {"xlm-roberta": xlm_roberta_pass, "eurobert": eurobert_pass}


def plain_logits(model: Any, kind: str, source: list[int], canvas: list[int], stage: int) -> Tensor:
    """Logits of one pass over a canvas, with the blank of its own behind all tokens if the model has one."""
    w = {name: weight.detach().double() for name, weight in model.state_dict().items()}
    backbone = {name.removeprefix("backbone."): weight for name, weight in w.items() if name.startswith("backbone.")}
    gains = [max(1.0, float(gain)) for gain in w["gains"]]

    def prompts(bank: int, layer: int) -> tuple[Tensor, Tensor]:
        pair = w["prompts"][bank, 2 * layer : 2 * layer + 2] * gains[bank]
        return pair[0], pair[1]

    behind, _, _ = PASSES[kind](backbone, source, [prompts(0, layer) for layer in range(LAYERS)])
    beside = []
    for layer, states in enumerate(behind):
        keys, values = prompts(stage, layer)
        own = [linear(w, name, states) for name in ("memory_key", "memory_value")]
        beside.append((torch.cat([own[0], keys]), torch.cat([own[1], values])))
    _, head, logits = PASSES[kind](backbone, canvas, beside)
    return torch.cat([logits, linear(w, "blank_row", head)], dim=1) if "blank_row.weight" in w else logits
