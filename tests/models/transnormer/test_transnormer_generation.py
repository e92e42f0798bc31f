"""Generation with the cache equals generation that reads everything anew."""

from typing import Any

import pytest
import torch
from transformers import DynamicCache

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.transnormer import TransNormerCache, TransNormerForCausalLM
from tests.models.transnormer.making import KINDS, tiny, token_ids

WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "top_k": 20},
    "beams": {"num_beams": 4},
    "beams and several answers": {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 0.5},
    "sampled beams": {"num_beams": 3, "do_sample": True},
    "several samples": {"do_sample": True, "num_return_sequences": 3},
    "chunks": {"do_sample": False, "prefill_chunk_size": 4},
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def written(model: TransNormerForCausalLM, ids: torch.Tensor, new: int = 12, **options: Any) -> torch.Tensor:
    """A continuation; without a mask that is given all tokens are real, also where the model writes token 0."""
    torch.manual_seed(5)
    options = {"attention_mask": torch.ones_like(ids)} | options
    out: torch.Tensor = model.generate(ids, max_new_tokens=new, pad_token_id=0, **options)
    return out


@each_kind
@pytest.mark.parametrize("way", WAYS)
def test_the_cache_changes_no_token(kind: str, way: str) -> None:
    model, ids = tiny(kind), token_ids()
    anew = {name: value for name, value in WAYS[way].items() if name != "prefill_chunk_size"}
    expected = written(model, ids, use_cache=False, **anew)
    assert torch.equal(written(model, ids, **WAYS[way]), expected)
    assert len(expected.unique()) > 5


@each_kind
@pytest.mark.parametrize("way", [way for way in WAYS if "sampl" not in way])  # one stream of draws serves all rows
def test_texts_of_unequal_length_are_written_on_as_if_alone(kind: str, way: str) -> None:
    model, texts = tiny(kind), [token_ids(1, length, length) for length in (11, 3, 7)]
    ids = torch.zeros(3, 11, dtype=torch.long)
    for row, text in enumerate(texts):
        ids[row, 11 - text.shape[1] :] = text
    together = written(model, ids, attention_mask=(ids > 0).long(), **WAYS[way])
    answers = WAYS[way].get("num_return_sequences", 1)
    for row, text in enumerate(texts):
        alone = written(model, text, **WAYS[way])[:, text.shape[1] :]
        assert torch.equal(together[row * answers : (row + 1) * answers, 11:], alone)


@each_kind
def test_beams_are_told_apart(kind: str) -> None:
    """The beams of these texts change their order, so that a cache that did not would be found out."""
    model, ids = tiny(kind), token_ids()
    orders = []
    reorder = TransNormerCache.reorder_cache

    def noted(cache: TransNormerCache, beam_idx: torch.Tensor) -> None:
        orders.append(beam_idx.tolist())
        reorder(cache, beam_idx)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TransNormerCache, "reorder_cache", noted)
        written(model, ids, num_beams=4)
    assert any(order != sorted(order) or len(set(order)) < len(order) for order in orders[1:])


@each_kind
@pytest.mark.parametrize("sizes", [[1] * 11, [4, 7], [7, 1, 3], [2, 9]])
def test_a_prompt_in_chunks_is_the_prompt(kind: str, sizes: list[int]) -> None:
    model, ids = tiny(kind), token_ids()
    past, logits = None, []
    with torch.no_grad():
        whole = model(ids)
        for chunk in ids.split(sizes, dim=1):
            out = model(chunk, past_key_values=past)
            past = out.past_key_values
            logits.append(out.logits)
    torch.testing.assert_close(torch.cat(logits, dim=1), whole.logits, rtol=0, atol=1e-12)
    for got, expected in zip(past.layers, whole.past_key_values.layers, strict=True):
        if hasattr(got, "state"):
            torch.testing.assert_close(got.state, expected.state, rtol=1e-12, atol=1e-12)
    assert past.get_seq_length() == 11


@each_kind
def test_several_turns_are_one_text(kind: str) -> None:
    model, ids = tiny(kind), token_ids()
    past = TransNormerCache(model.config)
    text = ids
    for turn in range(3):
        text = written(model, text, new=4, past_key_values=past, do_sample=False)
        assert past.get_seq_length() == text.shape[1] - 1
        assert torch.equal(text, written(model, text[:, :-4], new=4, use_cache=False, do_sample=False))
        text = torch.cat([text, token_ids(length=3, seed=turn)], dim=1)


def test_a_state_is_constant_in_length_and_precise_in_half_precision() -> None:
    model = tiny(dtype=torch.bfloat16)
    sizes = []
    with torch.no_grad():
        for length in (5, 50, 500):
            past = model(token_ids(length=length)).past_key_values
            sizes.append(sum(layer.state.numel() for layer in past.layers))
            assert {layer.state.dtype for layer in past.layers} == {torch.float64}
    assert sizes == [2 * (2 * 16 * 8 + 2 * 2 * 8 * 8)] * 3
    single = tiny(dtype=torch.bfloat16, state_dtype="float32")
    assert single(token_ids()).past_key_values.layers[0].state.dtype == torch.float32


def test_a_cache_is_used_again_after_a_reset() -> None:
    model, ids = tiny("hybrid"), token_ids()
    with torch.no_grad():
        expected = model(ids).logits
        past = model(token_ids(seed=3)).past_key_values
        past.reset()
        assert past.get_seq_length() == 0
        torch.testing.assert_close(model(ids, past_key_values=past).logits, expected)


def test_rows_of_a_cache_are_chosen_and_repeated() -> None:
    model, ids, later = tiny("hybrid"), token_ids(3), token_ids(3, 2, 1)
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    whole = torch.cat([mask, torch.ones_like(later)], dim=1)
    rows = torch.tensor([1, 1, 2])
    with torch.no_grad():
        past = model(ids, attention_mask=mask).past_key_values
        past.batch_repeat_interleave(2)
        past.batch_select_indices(torch.tensor([2, 3, 5]))
        got = model(later[rows], attention_mask=whole[rows], past_key_values=past).logits
        expected = model(torch.cat([ids, later], 1)[rows], attention_mask=whole[rows]).logits[:, -2:]
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("options", [{"prompt_lookup_num_tokens": 3}, {"assistant_model": tiny()}])
def test_assisted_decoding_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not supported with stateful models, such as TransNormerForCausalLM"):
        written(tiny(), token_ids(rows=1), do_sample=False, **options)


@pytest.mark.parametrize("kind", ["static", "offloaded", "quantized"])
def test_caches_of_another_kind_are_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match="a cache of its own"):
        written(tiny(), token_ids(), cache_implementation=kind)
    with pytest.raises(ConfigError, match="Expected a TransNormerCache"):
        tiny()(token_ids(), past_key_values=DynamicCache())


def test_a_state_forgets_no_single_tokens() -> None:
    past = tiny()(token_ids()).past_key_values
    assert not past.is_croppable
    with pytest.raises(ConfigError, match="its last 2 tokens"):
        past.crop(-2)


def test_no_cache_is_made_in_training() -> None:
    model = tiny().train()
    assert model(token_ids()).past_key_values is None
    assert model(token_ids(), use_cache=True).past_key_values is not None
    assert model.eval()(token_ids(), use_cache=False).past_key_values is None


def test_inner_padding_between_turns_is_no_token() -> None:
    """A batch of two turns: the first text is shorter and padded on the right before the second turn begins."""
    model = tiny()
    first, second = token_ids(2, 6), token_ids(2, 4, 1)
    mask = torch.ones(2, 10, dtype=torch.long)
    mask[0, 4:6] = 0
    with torch.no_grad():
        past = model(first, attention_mask=mask[:, :6]).past_key_values
        got = model(second, attention_mask=mask, past_key_values=past).logits
        short = model(torch.cat([first[:1, :4], second[:1]], 1)).logits[:, -4:]
        full = model(torch.cat([first[1:], second[1:]], 1)).logits[:, -4:]
    torch.testing.assert_close(got, torch.cat([short, full]), rtol=0, atol=1e-12)
