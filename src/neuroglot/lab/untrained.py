"""Untrained lab models, by architecture: a Llama, or a TransNormerLLM, whose attention is linear."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from neuroglot.lab.config import LabConfig
from neuroglot.models.architectures.transnormer import TransNormerConfig, TransNormerForCausalLM

LabModel = LlamaForCausalLM | TransNormerForCausalLM


def new_model(config: LabConfig, tokenizer: PreTrainedTokenizerFast) -> LabModel:
    """A model of the recipe's architecture and size, its weights drawn from the recipe's seed."""
    make = _transnormer if config.architecture == "transnormer" else _llama
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return make(config, tokenizer)


def _llama(config: LabConfig, tokenizer: PreTrainedTokenizerFast) -> LabModel:
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden,
        intermediate_size=config.ffn,
        hidden_act=config.nonlinearity,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=2048,
        initializer_range=config.initial_std,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(shape)
    model.set_attn_implementation("eager")  # on texts this short the fused kernel's backward pass costs more
    return model


def _transnormer(config: LabConfig, tokenizer: PreTrainedTokenizerFast) -> LabModel:
    return TransNormerForCausalLM(
        TransNormerConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden,
            intermediate_size=config.ffn,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            initializer_range=config.initial_std,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=None,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
