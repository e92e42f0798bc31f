"""Encoders and decoders of M2M-100 around one embedding: how they are named, made, copied and put together."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, M2M100Config, M2M100ForConditionalGeneration
from transformers.models.m2m_100.modeling_m2m_100 import (
    M2M100Decoder,
    M2M100Encoder,
    M2M100PreTrainedModel,
    M2M100ScaledWordEmbedding,
    M2M100SinusoidalPositionalEmbedding,
)

from neuroglot.errors import ConfigError
from neuroglot.models.branched.config import MAIN, Side

STACKS: dict[Side, type[M2M100PreTrainedModel]] = {"encoder": M2M100Encoder, "decoder": M2M100Decoder}
EMBEDDING = "shared.weight"


def module_key(name: str) -> str:
    """What a branch is called among modules: no group's name can be an attribute of one, as `train` is."""
    return MAIN if name == MAIN else f"of-{name}"


def prefix_of(side: Side, name: str) -> str:
    """How the names of a branch's weights begin."""
    return f"{side}s.{module_key(name)}."


def new_embedding(base: Any) -> M2M100ScaledWordEmbedding:
    """An embedding of the model's size."""
    scale = math.sqrt(base.d_model) if base.scale_embedding else 1.0
    return M2M100ScaledWordEmbedding(base.vocab_size, base.d_model, base.pad_token_id, embed_scale=scale)


def weights_of(stack: nn.Module) -> dict[str, Tensor]:
    """The weights of a branch without the embedding, which is everybody's."""
    return {name: weight for name, weight in stack.state_dict().items() if name != "embed_tokens.weight"}


def copied(stack: Any) -> Any:
    """A stack like this one, with weights of its own but for the embedding."""
    weight = stack.embed_tokens.weight
    return copy.deepcopy(stack, {id(weight): weight, id(stack.config): stack.config})


def joined_pair(
    base: M2M100Config,
    shared: Any,
    encoder: Any,
    decoder: Any,
    generation: GenerationConfig,
    name: str,
) -> M2M100ForConditionalGeneration:
    """An ordinary model of these parts, none of which is copied."""
    config = copy.deepcopy(base)
    empty = copy.deepcopy(base)
    empty.encoder_layers = empty.decoder_layers = 0
    with torch.device("meta"):
        model: Any = M2M100ForConditionalGeneration(empty)
    model.config = model.model.config = config
    model.model.shared, model.model.encoder, model.model.decoder = shared, encoder, decoder
    model.lm_head.weight = shared.weight
    model.config.name_or_path = name
    model.generation_config = copy.deepcopy(generation)
    return model


def stack_of(base: M2M100Config, side: Side, tensors: Mapping[str, Tensor], shared: Any) -> Any:
    """A stack with these weights, which are not copied, and the embedding; raises `ConfigError` for other weights."""
    with torch.device("meta"):
        stack: Any = STACKS[side](base)
    needed = {name: tensor.shape for name, tensor in stack.state_dict().items() if name != "embed_tokens.weight"}
    if {name: tensor.shape for name, tensor in tensors.items()} != needed:
        wrong = sorted(set(needed) ^ set(tensors)) or [n for n, shape in needed.items() if tensors[n].shape != shape]
        raise ConfigError(
            f"The {side} has other weights, among them {wrong[0]}.", "Expected those of the model's own architecture."
        )
    stack.load_state_dict(tensors, strict=False, assign=True)
    stack.embed_tokens.weight = shared.weight
    positions: Any = M2M100SinusoidalPositionalEmbedding(base.max_position_embeddings, base.d_model, base.pad_token_id)
    stack.embed_positions = positions.to(shared.weight.device, shared.weight.dtype)
    return stack
