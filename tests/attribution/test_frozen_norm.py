"""With the final norm frozen, FFN, bias, attention, embedding and shift terms add up to the logit."""

import pytest
import torch
from transformers import PreTrainedModel

from neuroglot.attribution.frozen_norm import find_frozen_norm
from neuroglot.attribution.recording import attribute
from neuroglot.errors import ConfigError
from neuroglot.models import view
from neuroglot.models.checks import available_sites
from tests.attribution import oracle
from tests.attribution.making_tasks import tiny_task
from tests.families import TINY_CONFIGS, family_named, tiny_model
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
TASK = tiny_task(rows=3)
NORMALISED_BEFORE = {  # a norm, or a gate of the token, stands between a network and the stream
    "gemma2", "gemma3_text", "gemma3", "gemma4_text", "olmo2", "olmo3", "exaone4", "glm4", "hyperclovax", "qwen2_moe",
    "qwen3_5_moe_text",
}  # fmt: skip
DECODERS = [name for name in TINY_CONFIGS if family_named(name).kind == "decoder"]
SUMMED = {  # the last module of attention, and the final norm
    "llama": ("self_attn.o_proj", "model.norm"), "qwen3": ("self_attn.o_proj", "model.norm"),
    "gemma": ("self_attn.o_proj", "model.norm"), "cohere": ("self_attn.o_proj", "model.norm"),
    "gpt2": ("attn.c_proj", "transformer.ln_f"), "gpt_neox": ("attention.dense", "gpt_neox.final_layer_norm"),
    "bloom": ("self_attention.dense", "transformer.ln_f"), "falcon": ("self_attention.dense", "transformer.ln_f"),
    "opt": ("self_attn.out_proj", "model.decoder.final_layer_norm"), "xglm": ("self_attn.out_proj", "model.layer_norm"),
    "granite": ("self_attn.o_proj", "model.norm"),
    "phi": ("self_attn.dense", "model.final_layernorm"), "mpt": ("attn.out_proj", "transformer.norm_f"),
}  # fmt: skip


def other_terms(model: PreTrainedModel, ids: list[int], attention: str, norm_path: str) -> tuple[torch.Tensor, ...]:
    """Embedding and attention terms of the stream before the final norm, that stream, and the logits, at the last
    token.
    """
    terms, stream, handles = [], [], []
    blocks = next(module for name, module in model.named_modules() if isinstance(module, torch.nn.ModuleList))

    def keep(_module: object, inputs: tuple, named: dict) -> None:
        terms.append((inputs[0] if inputs else named["hidden_states"]).detach().clone())

    handles.append(blocks[0].register_forward_pre_hook(keep, with_kwargs=True))
    for name, module in model.named_modules():
        if name.endswith(attention):
            handles.append(module.register_forward_hook(lambda _m, _i, out: terms.append(out.detach().clone())))
        if name == norm_path:
            handles.append(module.register_forward_pre_hook(lambda _m, inputs: stream.append(inputs[0].detach())))
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
    for handle in handles:
        handle.remove()
    assert len(terms) == 1 + 3
    embedding, *attended = (term.reshape(len(ids), -1)[-1] for term in terms)
    return embedding, sum(attended), stream[0].reshape(len(ids), -1)[-1], logits


@pytest.mark.parametrize("model_type", SUMMED)
def test_all_terms_add_up_to_the_logit(model_type: str) -> None:
    reach = 0.5 if model_type == "granite" else 1.0  # its layers write half of what their networks do
    model = tiny_model(model_type)
    for layer in model.model.layers if reach < 1 else ():
        layer.residual_multiplier = reach
    located, (attention, norm_path) = view(model), SUMMED[model_type]
    norm = model.get_submodule(norm_path)
    found = attribute(located, TOKENIZER, TASK, frozen_norm=True)
    scale = getattr(model.config, "logit_scale", None) or 1.0
    for row in range(len(TASK)):
        for g, language in enumerate(TASK.languages):
            ids = TOKENIZER(TASK.prompts.texts[language][row])["input_ids"]
            token = oracle.first_token(TOKENIZER, TASK, language, row)
            embedding, attended, stream, logits = other_terms(model, ids, attention, norm_path)
            biases = [located.points[layer].biases() for layer in located.layout.layers]
            others = embedding + reach * (attended + sum(bias[0].detach() for bias in biases if bias is not None))
            u = oracle.head_row(model, token)
            with torch.no_grad():
                shift = norm(torch.zeros_like(stream))
                centre = stream.mean() if "LayerNorm" in type(norm).__name__ else 0
                frozen = u * (norm(stream) - shift) / (stream - centre)  # u∘s, with s as it is at this position
                if "LayerNorm" in type(norm).__name__:
                    frozen = frozen - frozen.mean()
                logit = float(logits[token])
                if (bias := getattr(model.get_output_embeddings(), "bias", None)) is not None:
                    logit -= float(bias[token])
            rest = float(frozen @ others + u @ shift)
            summed = float(found.values["effective_sum"][row, g].double().sum())
            assert scale * (summed + rest) == pytest.approx(logit, rel=1e-3, abs=1e-3 * float(logits.abs().max()))


def test_the_norm_of_every_decoder_is_found_or_refused_by_name() -> None:
    assert len(DECODERS) > 50
    for name in DECODERS:
        located = view(tiny_model(name))
        if name in NORMALISED_BEFORE:
            with pytest.raises(ConfigError, match="normalises or gates.*Leave the frozen norm out"):
                find_frozen_norm(located)
        else:
            assert set(find_frozen_norm(located).reach) == set(located.layout.layers)


def test_a_norm_that_is_none_is_refused() -> None:
    model = tiny_model("llama")
    model.model.norm.register_forward_hook(lambda _m, _i, output: torch.tanh(output))
    norm = find_frozen_norm(view(model))
    with pytest.raises(ConfigError, match="does something else than to scale and shift"):
        norm.factors(torch.randn(3, 16), torch.randn(3, 16))
    model.lm_head.register_forward_hook(lambda _m, _i, output: torch.sin(output))
    model.model.register_forward_hook(lambda _m, _i, output: setattr(output, "last_hidden_state", output[0].cos()))
    with pytest.raises(ConfigError, match="no final norm behind which its head gives its logits"):
        find_frozen_norm(view(model))


def test_a_layer_that_scales_the_stream_is_refused() -> None:
    model = tiny_model("llama")
    model.model.layers[1].register_forward_hook(lambda _m, _i, output: 0.5 * output)
    with pytest.raises(ConfigError, match="layer 1 of its decoder does not hand on"):
        find_frozen_norm(view(model))


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mixtral"])
def test_it_leaves_the_model_as_it_was(model_type: str) -> None:
    located = view(tiny_model(model_type))
    ids = torch.tensor([[5, 6, 7]])
    before = located.model(input_ids=ids).logits
    site = available_sites(located)[0]
    assert site == "post_act"
    attribute(located, TOKENIZER, TASK, frozen_norm=True)
    assert torch.equal(before, located.model(input_ids=ids).logits)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in located.model.modules())
