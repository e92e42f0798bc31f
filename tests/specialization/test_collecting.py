"""Counts against a loop: one unpadded pair after the other, hooks found by name, sums by hand."""

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.activity import passes as collecting
from neuroglot.activity.translation import collect
from neuroglot.errors import ConfigError
from neuroglot.models.view import ModelView
from neuroglot.storage import Kept
from neuroglot.tokens.pairs import encode_pairs, pad_pairs
from tests.families import START
from tests.oracles import DOWN_PROJECTIONS, modules_of
from tests.specialization.making import located, texts, translation_tokenizer

DIRECTIONS = ("en-de", "fr-en", "de-fr")
TOKENS = {"en": 3, "de": 4, "fr": 5}


def down_inputs(model: PreTrainedModel, **inputs: Tensor) -> list[Tensor]:
    """`[positions, N]` of each layer, encoder before decoder."""
    seen: dict[tuple[str, int], Tensor] = {}
    hooks = [
        module.register_forward_pre_hook(lambda _m, given, place=place: seen.__setitem__(place, given[0].detach()))
        for place, module in modules_of(model, DOWN_PROJECTIONS)
    ]
    with torch.no_grad():
        model(**inputs)
    for hook in hooks:
        hook.remove()
    ordered = sorted(seen, key=lambda place: (place[0] != "encoder", place[1]))
    return [seen[place].reshape(-1, seen[place].shape[-1]) for place in ordered]


def counted_by_loop(view: ModelView, direction: str) -> tuple[Tensor, int]:
    source, target = direction.split("-")
    tokenizer, corpus, total, tokens = translation_tokenizer(), texts(), None, 0
    for row in range(len(corpus)):
        words = [tokenizer.convert_tokens_to_ids(corpus.texts[one][row].split()) for one in (source, target)]
        read, answer = [TOKENS[source], *words[0], 2], [TOKENS[target], *words[1], 2]
        model_type = view.model.config.model_type
        first = answer[-1] if model_type == "mbart" else START[model_type]
        fired = [
            (layer > 0).sum(0)
            for layer in down_inputs(
                view.model, input_ids=torch.tensor([read]), decoder_input_ids=torch.tensor([[first, *answer[:-1]]])
            )
        ]
        total = torch.cat(fired) if total is None else total + torch.cat(fired)
        tokens += len(read)
    assert total is not None
    return total, tokens


@pytest.mark.parametrize("model_type", ["m2m_100", "mbart"])
@pytest.mark.parametrize("token_budget", [1, 60, None])
def test_counts_are_those_of_a_loop_whatever_the_batches(model_type: str, token_budget: int | None) -> None:
    view = located(model_type)
    activity = collect(view, translation_tokenizer(), texts(), DIRECTIONS, token_budget=token_budget)
    assert activity.languages == DIRECTIONS
    for place, direction in enumerate(DIRECTIONS):
        expected, tokens = counted_by_loop(view, direction)
        assert torch.equal(activity.fired[0, place], expected)
        assert int(activity.tokens[place]) == tokens
    assert activity.fired.sum() > 0


@pytest.mark.parametrize("model_type", ["t5", "mt5", "umt5", "marian", "gpt2", "llama", "opt"])
def test_other_families_count_each_pair_without_its_last_token(model_type: str) -> None:
    view, tokenizer = located(model_type), translation_tokenizer()
    activity = collect(view, tokenizer, texts(), DIRECTIONS, token_budget=80)
    expected = torch.zeros_like(activity.fired[0])
    for pair in encode_pairs(view, tokenizer, texts(), DIRECTIONS).pairs:
        if view.family.kind == "decoder":
            inputs = {"input_ids": torch.tensor([pair.token_ids[:-1]])}
        else:
            behind = [START[model_type], *pair.target_ids[:-1]]
            inputs = {"input_ids": torch.tensor([pair.token_ids]), "decoder_input_ids": torch.tensor([behind])}
        expected[pair.language] += torch.cat([(layer > 0).sum(0) for layer in down_inputs(view.model, **inputs)])
    assert torch.equal(activity.fired[0], expected)


def test_like_the_reference_padding_counts_too() -> None:
    view, tokenizer = located("m2m_100"), translation_tokenizer()
    pairs = encode_pairs(view, tokenizer, texts(), ["en-de"])
    ordered = sorted(pairs.pairs, key=lambda pair: (-len(pair.token_ids), -len(pair.target_ids), pair.row))
    batch = pad_pairs(ordered, 0)
    assert torch.equal(batch.token_ids == 0, ~batch.real)  # the padding token, of which M2M-100's positions depend
    behind = torch.cat([torch.full((len(ordered), 1), 2), batch.targets[:, :-1]], 1)
    layers = down_inputs(
        view.model, input_ids=batch.token_ids, attention_mask=batch.real.long(), decoder_input_ids=behind,
        decoder_attention_mask=batch.target_real.long(),
    )  # fmt: skip
    expected = torch.cat([(layer > 0).sum(0) for layer in layers])
    activity = collect(view, tokenizer, texts(), ["en-de"], like_reference=True)
    assert torch.equal(activity.fired[0, 0], expected)
    assert int(activity.tokens[0]) == batch.real.numel() > int(batch.real.sum())
    assert "padding:counted" in str(activity.signature)
    assert "padding:not counted" in str(collect(view, tokenizer, texts(), ["en-de"]).signature)


def test_a_killed_job_goes_on(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    view, tokenizer = located("m2m_100"), translation_tokenizer()
    whole = collect(view, tokenizer, texts(), DIRECTIONS, token_budget=60)
    passed = 0

    def failing(*arguments):  # type: ignore[no-untyped-def]
        nonlocal passed
        passed += 1
        if passed == 4:
            raise KeyboardInterrupt
        return inputs(*arguments)

    inputs = collecting.translation_inputs
    monkeypatch.setattr(collecting, "translation_inputs", failing)
    options = {"token_budget": 60, "kept": Kept(tmp_path / "run", 0)}
    with pytest.raises(KeyboardInterrupt):
        collect(view, tokenizer, texts(), DIRECTIONS, **options)
    again = collect(view, tokenizer, texts(), DIRECTIONS, **options)
    assert torch.equal(again.fired, whole.fired)
    with pytest.raises(ConfigError, match="another job"):
        collect(view, tokenizer, texts(), DIRECTIONS[:2], **options)
    with pytest.raises(ConfigError, match="token budget of 0"):
        collect(view, tokenizer, texts(), DIRECTIONS, token_budget=0)


def test_a_batch_that_does_not_fit_is_halved(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    view, tokenizer = located("m2m_100"), translation_tokenizer()
    whole, inputs = collect(view, tokenizer, texts(), DIRECTIONS), collecting.translation_inputs

    def refusing(view, batch):  # type: ignore[no-untyped-def]
        if len(batch.texts) > 2:
            raise MemoryError
        return inputs(view, batch)

    monkeypatch.setattr(collecting, "translation_inputs", refusing)
    assert torch.equal(collect(view, tokenizer, texts(), DIRECTIONS).fired, whole.fired)
