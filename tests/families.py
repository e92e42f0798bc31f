"""One tiny random model a family, built from its config: three layers, no downloads."""

from typing import Any

import torch
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from neuroglot.models.architectures import own_families
from neuroglot.models.families import FAMILIES, Family

VOCABULARY = 64
EVERY_FAMILY = (*FAMILIES, *own_families())  # ours are found by listing their folder; each needs a tiny config too

_TOKENS = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
_COMMON = _TOKENS | _SIZES | {"intermediate_size": 24, "max_position_embeddings": 64}
_LLAMA = _COMMON | {"num_key_value_heads": 2, "head_dim": 8}
_EXPERTS = _LLAMA | {"num_experts_per_tok": 2, "moe_intermediate_size": 12}
_DENSE_FIRST = {"first_k_dense_replace": 1, "n_group": 1, "topk_group": 1}
_LINEAR = {
    "linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 2,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
}  # fmt: skip
_LLAMA4 = {"num_local_experts": 4, "intermediate_size_mlp": 20, "moe_layers": [0, 2], "num_experts_per_tok": 2}
_LATENT = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
_GPT = _TOKENS | {"n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 64, "n_inner": 24}
_FAIRSEQ = _TOKENS | {
    "d_model": 16, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20, "decoder_ffn_dim": 24, "max_position_embeddings": 64, "decoder_start_token_id": 2,
}  # fmt: skip
_T5 = _TOKENS | {
    "d_model": 16, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 2, "d_kv": 8, "d_ff": 24,
    "decoder_start_token_id": 0,
}  # fmt: skip
_VISION = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8,
    "patch_size": 4, "depth": 1, "embed_dim": 16, "num_heads": 2, "out_hidden_size": 16,
}  # fmt: skip
_ROPE_3D = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}


def _with_vision(text: dict[str, Any], vision: dict[str, Any]) -> dict[str, Any]:
    return {"text_config": _LLAMA | text, "vision_config": _VISION | vision}


START = {"m2m_100": 2, "marian": 2, "bart": 2, "pegasus": 2, "t5": 0, "mt5": 0, "umt5": 0}

# What differs from `_LLAMA`, by model type; `None` as a value leaves the key out.
TINY_CONFIGS: dict[str, dict[str, Any]] = {
    **{family.model_type: _LLAMA for family in FAMILIES},
    "gemma2": _LLAMA | {"sliding_window": 8},
    "gemma3_text": _LLAMA | {"sliding_window": 8},
    "gemma4_text": _LLAMA | {"sliding_window": 8, "hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0},
    "minicpm3": _LLAMA | _LATENT | {"head_dim": None},
    "bloom": _TOKENS | {"hidden_size": 16, "n_layer": 3, "n_head": 2},
    "falcon": _TOKENS | _SIZES | {"ffn_hidden_size": 24},
    "mpt": _TOKENS | {"d_model": 16, "n_layers": 3, "n_heads": 2, "max_seq_len": 64},
    "gpt2": _GPT,
    "gpt_bigcode": _GPT,
    "gptj": _GPT | {"rotary_dim": 4},
    "codegen": _GPT | {"n_head": 4, "n_embd": 32, "rotary_dim": 4},
    "gpt_neo": _COMMON | {"num_heads": 2, "num_layers": 3, "attention_types": [[["global"], 3]]},
    "xglm": _TOKENS | {
        "d_model": 16, "ffn_dim": 24, "num_layers": 3, "attention_heads": 2, "max_position_embeddings": 64,
    },
    "opt": _COMMON | {"ffn_dim": 24, "word_embed_proj_dim": 16},
    "mixtral": _EXPERTS | {"num_local_experts": 4},
    "olmoe": _EXPERTS | {"num_experts": 4},
    "gpt_oss": _EXPERTS | {"num_local_experts": 4, "sliding_window": 8},
    "phimoe": _EXPERTS | {"num_local_experts": 4},
    "granitemoe": _EXPERTS | {"num_local_experts": 4},
    "qwen3_moe": _EXPERTS | {"num_experts": 4, "mlp_only_layers": [1]},
    "qwen2_moe": _EXPERTS | {"num_experts": 4, "mlp_only_layers": [1], "shared_expert_intermediate_size": 20},
    "qwen3_5_moe_text": _EXPERTS | {"num_experts": 4, "shared_expert_intermediate_size": 20} | _LINEAR,
    "deepseek_v2": _EXPERTS | _LATENT | {"n_routed_experts": 4, "n_shared_experts": 2} | _DENSE_FIRST,
    "deepseek_v3": _EXPERTS | _LATENT | {"n_routed_experts": 4, "n_shared_experts": 1} | _DENSE_FIRST,
    "glm4_moe": _EXPERTS | {"n_routed_experts": 4, "n_shared_experts": 1} | _DENSE_FIRST,
    **dict.fromkeys(("m2m_100", "marian", "bart", "pegasus", "mbart"), _FAIRSEQ),
    "llama4_text": _EXPERTS | _LLAMA4,
    "llama4": {"text_config": _EXPERTS | _LLAMA4},
    "t5": _T5 | {"feed_forward_proj": "relu"},
    "mt5": _T5 | {"feed_forward_proj": "gated-gelu"},
    "umt5": _T5 | {"feed_forward_proj": "gated-gelu"},
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"), _COMMON),
    **dict.fromkeys(("deberta", "deberta-v2"), _COMMON),
    "electra": _COMMON | {"embedding_size": 16},
    "rembert": _COMMON | {"input_embedding_size": 16, "output_embedding_size": 16},
    "roformer": _COMMON | {"embedding_size": 16},
    "distilbert": _TOKENS | {"dim": 16, "hidden_dim": 24, "n_layers": 3, "n_heads": 2, "max_position_embeddings": 64},
    "modernbert": _COMMON | {"cls_token_id": 1, "sep_token_id": 2, "local_attention": 8},
    "llava": _with_vision({"model_type": "llama"}, {"model_type": "clip_vision_model"}),
    "gemma3": _with_vision({"sliding_window": 8}, {"model_type": "siglip_vision_model"}) | {"mm_tokens_per_image": 4},
    **{
        name: _with_vision({"rope_parameters": _ROPE_3D}, {"spatial_merge_size": 1})
        for name in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
    },
    "transnormer": _COMMON | {"block_size": 4},
}  # fmt: skip


def forward_inputs(model_type: str, token_ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the whole model is given for unpadded texts `[B, T]`; a decoder beside an encoder reads one token later."""
    inputs = {"input_ids": token_ids, "attention_mask": torch.ones_like(token_ids)}
    if family_named(model_type).generates and not family_named(model_type).predicts_next:
        first = token_ids[:, -1:] if model_type == "mbart" else torch.full_like(token_ids[:, :1], START[model_type])
        inputs["decoder_input_ids"] = torch.cat([first, token_ids[:, :-1]], dim=1)
    return inputs


def tiny_model(model_type: str, seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A random model in float32 and eval mode; initial weights are widened so that neurons fire on both sides of 0.
    Options of its config can be changed.
    """
    torch.manual_seed(seed)
    options = {name: value for name, value in TINY_CONFIGS[model_type].items() if value is not None} | changes
    family = family_named(model_type)
    config = tiny_config(family, options)
    model = family.new_model(config, torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
    return model.eval()


def tiny_config(family: Family, options: dict[str, Any]) -> PreTrainedConfig:
    if isinstance(family.model_class, str):
        return AutoConfig.for_model(family.model_type, **options)
    return family.config_loader(**options)


def family_named(model_type: str) -> Family:
    return next(family for family in EVERY_FAMILY if family.model_type == model_type)
