"""Random models of a given size, made from configs; and where their activations are."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, BloomConfig, LlamaConfig, PretrainedConfig, PreTrainedModel

POSITIONS = 4096  # the longest text, far above FLORES'


@dataclass(frozen=True)
class Size:
    """Embeddings are tied, so that the vocabulary counts once; `width` is llama's, bloom's is always 4 × hidden."""

    hidden: int
    layers: int
    heads: int
    width: int


SIZES = {  # parameters, vocabulary; the same hidden × layers give the same number of parameters for both shapes
    ("10M", 32_000): Size(hidden=192, layers=8, heads=6, width=512),
    ("10M", 128_000): Size(hidden=64, layers=16, heads=4, width=256),
    ("500M", 32_000): Size(hidden=1280, layers=23, heads=20, width=3456),
    ("500M", 128_000): Size(hidden=1280, layers=17, heads=20, width=3456),
}


@dataclass(frozen=True)
class Shape:
    """The path to the list of blocks and, from a block, to the module of the nonlinearity."""

    blocks: str
    activation: str


SHAPES = {
    "llama": Shape(blocks="model.layers", activation="mlp.act_fn"),
    "bloom": Shape(blocks="transformer.h", activation="mlp.gelu_impl"),
}


def config_of(parameters: str, shape: str, vocabulary: int) -> PretrainedConfig:
    """The config of a model of this size and shape."""
    size = SIZES[parameters, vocabulary]
    if shape == "bloom":
        return BloomConfig(
            vocab_size=vocabulary, hidden_size=size.hidden, n_layer=size.layers, n_head=size.heads, use_cache=True
        )
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
    )


def random_model(config: PretrainedConfig, device: str, dtype: str) -> PreTrainedModel:
    """Random weights, the same each time, with the default attention."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    return model.to(device=device, dtype=getattr(torch, dtype)).eval()


def activations(model: Any, shape: str) -> list[Any]:
    """The modules (or a wrapper's stand-ins for them) whose outputs are the neurons, layer by layer."""
    paths = SHAPES[shape]
    return [attrgetter(paths.activation)(block) for block in attrgetter(paths.blocks)(model)]


def width_of(model: PreTrainedModel) -> int:
    """Neurons a layer."""
    config: Any = model.config
    return int(getattr(config, "intermediate_size", None) or 4 * config.hidden_size)


def sharing_weights(model: PreTrainedModel) -> PreTrainedModel:
    """A copy for tools that wrap or patch modules: its modules and config are its own, its tensors are the model's."""
    tensors: list[Any] = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """All parameters, and those that are no embedding (the head is tied to it)."""
    everything = sum(parameter.numel() for parameter in model.parameters())
    embeddings = sum(each.weight.numel() for each in model.modules() if isinstance(each, nn.Embedding))
    return everything, everything - embeddings
