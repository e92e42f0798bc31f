"""One tiny random model a family, built from its config: four layers at most, no downloads."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

VOCABULARY = 64

_TOKENS = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_COMMON = _TOKENS | {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
_LLAMA_LIKE = _COMMON | {
    "intermediate_size": 24, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64,
}  # fmt: skip

TINY_CONFIGS: dict[str, dict[str, object]] = {
    "bloom": _TOKENS | {"hidden_size": 16, "n_layer": 3, "n_head": 2},
    "gemma": _LLAMA_LIKE,
    "gemma2": _LLAMA_LIKE | {"sliding_window": 8},
    "gemma3_text": _LLAMA_LIKE | {"sliding_window": 8},
    "gpt2": _TOKENS | {"n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 64, "n_inner": 24},
    "gpt_neox": _COMMON | {"intermediate_size": 24, "max_position_embeddings": 64},
    "llama": _LLAMA_LIKE,
    "mistral": _LLAMA_LIKE,
    "olmo2": _LLAMA_LIKE,
    "opt": _COMMON | {"ffn_dim": 24, "max_position_embeddings": 64, "word_embed_proj_dim": 16},
    "phi": _LLAMA_LIKE,
    "phi3": _LLAMA_LIKE,
    "qwen2": _LLAMA_LIKE,
    "qwen3": _LLAMA_LIKE,
    "xglm": _TOKENS | {
        "d_model": 16, "ffn_dim": 24, "num_layers": 3, "attention_heads": 2,
        "max_position_embeddings": 64, },
}  # fmt: skip


def tiny_model(model_type: str, seed: int = 0) -> PreTrainedModel:
    """A random model in float32 and eval mode; initial weights are widened so that neurons fire on both sides of 0."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(model_type, **TINY_CONFIGS[model_type])
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
    return model.eval()
