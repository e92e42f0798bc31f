"""Fingerprints of weights see every bit; those of tokenizers see what changes tokens, and nothing else."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, normalizers, processors
from tokenizers.models import WordLevel
from torch import Tensor, nn
from transformers import PreTrainedTokenizer

from neuroglot.interventions.folding import fold_out
from neuroglot.models import fingerprints, load, view
from neuroglot.models.fingerprints import (
    BLOCK,
    CHUNK,
    chunk_sums,
    config_fingerprint,
    template_fingerprint,
    tokenizer_fingerprint,
    weights_fingerprint,
)
from neuroglot.neurons import NeuronSet
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer

MASK = 2**64 - 1


def multiplier(place: int) -> int:
    """SplitMix64 of the place in the chunk, made odd."""
    mixed = (place + 1) * 0x9E3779B97F4A7C15 & MASK
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & MASK
    return (mixed ^ (mixed >> 31)) | 1


def sums(data: bytes) -> list[tuple[int, int]]:
    """Both sums of each chunk, word by word."""
    data += bytes(-len(data) % (8 * CHUNK))
    found = []
    for start in range(0, len(data), 8 * CHUNK):
        both = [0, 0]
        for place in range(CHUNK):
            word = int.from_bytes(data[start + 8 * place : start + 8 * place + 8], "little", signed=True)
            both = [both[0] + word * multiplier(place), both[1] + (word >> 32) * multiplier(place)]
        found.append((both[0] & MASK, both[1] & MASK))
    return found


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(7, 5),
        torch.randn(3 * CHUNK + 1, dtype=torch.float64),
        torch.randn(CHUNK + 3, 4).to(torch.bfloat16),
        torch.arange(100, dtype=torch.int8),
        torch.tensor([True, False, True]),
        torch.tensor(3.5),
        torch.randn(8 * CHUNK),
    ],
    ids=lambda tensor: f"{tensor.dtype} {list(tensor.shape)}",
)
def test_sums_are_those_of_a_loop_over_words(tensor: Tensor) -> None:
    data = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    unsigned = [tuple(int(value) & MASK for value in chunk) for chunk in chunk_sums(tensor).T]
    assert unsigned == sums(data)


def test_sums_do_not_depend_on_blocks_places_in_memory_or_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randn(2 * BLOCK[True] + 77).to(torch.float16)
    expected = chunk_sums(values)
    shifted = torch.cat([torch.zeros(3, dtype=torch.float16), values])[3:]  # words begin inside others
    assert torch.equal(chunk_sums(shifted), expected)
    square = torch.randn(64, 96)
    assert torch.equal(chunk_sums(square.T), chunk_sums(square.T.contiguous()))
    monkeypatch.setitem(BLOCK, True, CHUNK)
    assert torch.equal(chunk_sums(values), expected)
    monkeypatch.setattr(fingerprints, "_dot", fingerprints._dot_on_accelerators)
    assert torch.equal(chunk_sums(values), expected)


SHAPES = [(768, 3072), (256, 688), (4096,), (1, 1), (64, 64), (13, 7, 5), (4096, 11)]
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.int8, torch.float64]


@settings(max_examples=150)
@given(st.sampled_from(SHAPES), st.sampled_from(DTYPES), st.data())
def test_a_change_of_any_single_bit_changes_the_sums(shape: tuple[int, ...], dtype: torch.dtype, data) -> None:  # type: ignore[no-untyped-def]
    values = torch.ones(shape, dtype=dtype)
    before, words = chunk_sums(values), values.view(-1).view(torch.uint8)
    place = data.draw(st.one_of(st.integers(0, len(words) - 1), st.just(len(words) - 1)))
    words[place] ^= 1 << data.draw(st.integers(0, 7))
    assert not torch.equal(chunk_sums(values), before)


@pytest.mark.parametrize("shape", [(768, 3072), (256, 688), (4096, 64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_changes_of_whole_columns_rows_and_signs_change_the_sums(shape: tuple[int, int], dtype: torch.dtype) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    before, compared = chunk_sums(values), 0
    for change in (lambda part: -part, torch.zeros_like, lambda part: part.flip(0), lambda part: part * 2):
        for part in (slice(None, 1), slice(1, 2), slice(-1, None), slice(0, None, 2), slice(None)):
            for place in (part, (slice(None), part)):
                changed = values.clone()
                changed[place] = change(values[place])
                compared += not torch.equal(changed, values)
                assert torch.equal(changed, values) or not torch.equal(chunk_sums(changed), before)
    assert compared > 30


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "m2m_100", "mixtral"])
def test_one_bit_of_any_tensor_changes_the_fingerprint(model_type: str) -> None:
    model = tiny_model(model_type)
    before = weights_fingerprint(model)
    assert weights_fingerprint(tiny_model(model_type)) == before
    tensors = dict(model.state_dict())
    assert len(tensors) > 10
    for name, tensor in tensors.items():
        words = tensor.view(-1).view(torch.uint8)
        words[-1] ^= 1
        assert weights_fingerprint(model) != before, name
        words[-1] ^= 1
    assert weights_fingerprint(model) == before


def test_buffers_dtypes_and_ties_are_in_the_fingerprint() -> None:
    model = tiny_model("llama")
    before = weights_fingerprint(model)
    model.register_buffer("scale", torch.ones(3))
    with_buffer = weights_fingerprint(model)
    model.get_buffer("scale")[1] = 2
    same_bits = copy.deepcopy(model)
    same_bits.scale = model.get_buffer("scale").view(torch.int32)
    tied = copy.deepcopy(model)
    tied.lm_head.weight = tied.model.embed_tokens.weight
    equal = copy.deepcopy(tied)
    assert equal.lm_head.weight is equal.model.embed_tokens.weight
    found = [before, with_buffer, *map(weights_fingerprint, (model, same_bits, tied))]
    assert len(set(found)) == len(found)
    assert weights_fingerprint(equal) == weights_fingerprint(tied)


def test_active_adapters_are_in_the_fingerprint() -> None:
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(tiny_model("llama"), LoraConfig(r=2, target_modules=["down_proj"]))
    model = view(adapted).model
    on = weights_fingerprint(model)
    with adapted.disable_adapter():
        assert weights_fingerprint(model) != on
    for layer in model.modules():
        if hasattr(layer, "base_layer"):
            layer.scaling["default"] *= 2
    assert weights_fingerprint(model) != on


def test_tensors_that_are_elsewhere_are_read_from_there_or_named() -> None:
    from accelerate import cpu_offload

    model = tiny_model("llama")
    with torch.device("meta"):
        meta = type(model)(model.config)
    assert "tensors offloaded, 30 of them unread" in weights_fingerprint(meta)
    offloaded = cpu_offload(model)
    before = weights_fingerprint(offloaded)
    assert "30 tensors offloaded, 0 of them unread" in before
    held = offloaded.model.layers[0].mlp.down_proj._hf_hook.weights_map["weight"]
    held[0, 0] += 1
    assert weights_fingerprint(offloaded) != before


def test_a_checkpoint_without_some_neurons_has_another_fingerprint(tmp_path) -> None:  # type: ignore[no-untyped-def]
    located, tokenizer = load("lab")
    off = NeuronSet.of(located.layout, {("decoder", 0): [1]})
    fold_out(located, off, tmp_path / "lab", tokenizer)
    assert weights_fingerprint(load(str(tmp_path / "lab"))[0].model) != weights_fingerprint(located.model)


def test_options_of_the_config_are_told_but_not_where_it_is_from() -> None:
    model = tiny_model("llama")
    before = config_fingerprint(model)
    model.config.name_or_path = "elsewhere"
    assert config_fingerprint(model) == before
    model.config.rms_norm_eps = 1e-3
    assert config_fingerprint(model) != before


class Slow(PreTrainedTokenizer):
    """Letters are the tokens."""

    def __init__(self, letters: str = "abc", lower: bool = False) -> None:
        self.letters, self.lower = dict(zip(letters, range(9))), lower
        super().__init__(unk_token="a")

    @property
    def vocab_size(self) -> int:
        return len(self.letters)

    def get_vocab(self) -> dict[str, int]:
        return self.letters

    def _tokenize(self, text: str) -> list[str]:
        return list(text)


def test_slow_tokenizers_are_told_by_class_vocabulary_and_settings() -> None:
    class Other(Slow):
        pass

    kinds = [Slow(), Slow("acb"), Slow(lower=True), Other()]
    found = [tokenizer_fingerprint(tokenizer) for tokenizer in kinds]
    assert len(set(found)) == len(kinds)
    assert tokenizer_fingerprint(Slow()) == found[0]


def lowercased(tokenizer) -> None:  # type: ignore[no-untyped-def]
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()


def with_end(tokenizer) -> None:  # type: ignore[no-untyped-def]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )


CHANGES = {
    "normaliser": lowercased,
    "post-processor": with_end,
    "new token": lambda tokenizer: tokenizer.add_tokens(["w1 w2"]),
    "added token stripped": lambda tokenizer: tokenizer.add_tokens([AddedToken("<s>", lstrip=True, special=True)]),
    "special token": lambda tokenizer: tokenizer.add_special_tokens({"eos_token": "w5"}),
    "option of the model": lambda tokenizer: setattr(tokenizer.backend_tokenizer.model, "unk_token", "w1"),
    "special tokens read as text": lambda tokenizer: setattr(
        tokenizer.backend_tokenizer, "encode_special_tokens", True
    ),
    "longest text": lambda tokenizer: setattr(tokenizer, "model_max_length", 7),
    "source language": lambda tokenizer: setattr(tokenizer, "_src_lang", "deu_Latn"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_tokens_changes_the_fingerprint_at_once(name: str) -> None:
    tokenizer = tiny_tokenizer()
    before = tokenizer_fingerprint(tokenizer)
    assert tokenizer_fingerprint(tiny_tokenizer()) == before
    CHANGES[name](tokenizer)
    assert tokenizer_fingerprint(tokenizer) != before


def test_reading_padding_and_truncating_change_no_fingerprint() -> None:
    tokenizer = tiny_tokenizer()
    before = tokenizer_fingerprint(tokenizer)
    tokenizer(["w1 w2", "w3"], padding="max_length", truncation=True, max_length=9)
    tokenizer.padding_side = "left"
    tokenizer.name_or_path = "elsewhere"
    assert tokenizer.backend_tokenizer.padding is not None
    assert tokenizer_fingerprint(tokenizer) == before


def test_another_vocabulary_or_another_template_has_another_fingerprint() -> None:
    tokenizer = tiny_tokenizer()
    assert template_fingerprint(tokenizer) is None
    templates = ["{{ messages }}", "{{ messages }} ", {"default": "{{ messages }}"}]
    found = set()
    for template in templates:
        tokenizer.chat_template = template
        found.add(template_fingerprint(tokenizer))
    assert len(found) == len(templates)
    assert tokenizer_fingerprint(tokenizer) != tokenizer_fingerprint(tiny_tokenizer(bos=False))
    assert tokenizer_fingerprint(tokenizer) == tokenizer_fingerprint(tiny_tokenizer())


def test_a_module_that_is_no_parameter_holder_is_no_problem() -> None:
    class WithExtra(nn.Linear):
        def get_extra_state(self) -> dict[str, int]:
            return {"calls": 3}

        def set_extra_state(self, _state: object) -> None:
            pass

    model = tiny_model("llama")
    before = weights_fingerprint(model)
    model.extra = WithExtra(2, 2, bias=False)
    assert weights_fingerprint(model) != before


def test_the_form_of_a_tensor_and_which_one_it_is_tied_to_are_in_the_fingerprint() -> None:
    def with_buffers(*shape: int) -> str:
        model = tiny_model("llama")
        model.register_buffer("extra", torch.ones(shape))
        return weights_fingerprint(model)

    assert with_buffers(2, 3) != with_buffers(3, 2)

    def tied_to(place: int) -> str:
        model, alike = tiny_model("llama"), [torch.ones(4), torch.ones(4)]
        for name, tensor in (("first", alike[0]), ("other", alike[1]), ("tied", alike[place])):
            model.register_buffer(name, tensor)
        return weights_fingerprint(model)

    assert tied_to(0) != tied_to(1)


def test_another_vocabulary_in_the_same_tokenizer_is_read_anew() -> None:
    tokenizer = tiny_tokenizer()
    before = tokenizer_fingerprint(tokenizer)
    words = {f"v{index}": index for index in range(3, 99)}
    tokenizer.backend_tokenizer.model = WordLevel({"<pad>": 0, "<s>": 1, "</s>": 2} | words, unk_token="<pad>")
    other = tokenizer_fingerprint(tokenizer)
    words["v99"] = 99
    tokenizer.backend_tokenizer.model = WordLevel({"<pad>": 0, "<s>": 1, "</s>": 2} | words, unk_token="<pad>")
    assert len({before, other, tokenizer_fingerprint(tokenizer)}) == 3
