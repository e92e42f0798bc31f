"""Packing: texts in one sequence give the loss and the gradients that each gives alone, or the model is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from neuroglot.errors import UnsupportedModelError
from neuroglot.models import view
from neuroglot.storage import Kept
from neuroglot.tokens.tokenizing import Text
from neuroglot.training import Lora, TuningConfig, tune
from neuroglot.training.packing import packed_completions, separated, separation_of
from neuroglot.training.tuning import completions
from tests.families import EVERY_FAMILY, tiny_model
from tests.tiny import tiny_tokenizer
from tests.training.making import examples
from tests.training.test_deltas import some_neurons
from tests.training.test_tuning import Stopping

DECODERS = [family.model_type for family in EVERY_FAMILY if family.predicts_next]
BY_MASK = {"falcon", "mpt", "xglm", "biogpt", "opt", "qwen2_vl", "qwen2_5_vl"}
NOT_PACKED = {
    "bloom",  # its slopes lie over the whole sequence
    "gpt_oss",  # its windows do too
    "qwen3_5_moe_text",  # recurrent states
}


def texts() -> list[Text]:
    """Of 3 to 12 tokens, beyond the tiny models' windows; the answer is what follows the first two."""
    generator = torch.Generator().manual_seed(3)
    made = []
    for row, length in enumerate((12, 3, 5, 4, 9)):
        ids = tuple(torch.randint(3, 60, (length,), generator=generator).tolist())
        made.append(Text(row, 0, ids, (False,) * length, (False, False) + (True,) * (length - 2), length))
    return made


def alone(model: PreTrainedModel) -> torch.Tensor:
    """Mean over all learned tokens of −log p(token | those before it in its own text)."""
    total, count = torch.zeros(()), 0
    for text in texts():
        ids = torch.tensor(text.token_ids)
        logs = model(ids[None], use_cache=False).logits[0].log_softmax(-1)
        for place in range(2, len(ids)):
            total = total - logs[place - 1, ids[place]]
            count += 1
    return total / count


def gradients(model: PreTrainedModel, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {name: part.grad.clone() for name, part in model.named_parameters() if part.grad is not None}


@pytest.mark.parametrize("model_type", DECODERS)
def test_loss_and_gradients_are_those_of_the_texts_alone(model_type: str) -> None:
    model = tiny_model(model_type)
    if model_type in NOT_PACKED:
        with pytest.raises(UnsupportedModelError, match=f"{model_type}.* change each other"):
            separation_of(model)
        return
    separation = separation_of(model)
    assert (separation == "mask") == (model_type in BY_MASK)
    batch = packed_completions(0, separation)(texts())
    assert batch["input_ids"].shape[0] < len(texts())
    expected = alone(model)
    wanted = gradients(model, expected)
    loss = model(**batch).loss
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    got = gradients(model, loss)
    largest = max(float(part.abs().max()) for part in wanted.values())
    for name, part in wanted.items():
        assert float((got[name] - part).abs().max()) <= 1e-5 * largest, name


def test_a_batch_has_as_few_sequences_as_fit_the_longest_text() -> None:
    batch = packed_completions(0, "positions")(texts())
    lengths = {text.row: len(text.token_ids) for text in texts()}
    a, b, c, d, e = (list(text.token_ids) for text in texts())
    assert batch["input_ids"].tolist() == [a, [*e, *b], [*c, *d, 0, 0, 0]]
    assert batch["position_ids"].tolist() == [
        list(range(12)), [*range(9), *range(3)], [*range(lengths[2]), *range(lengths[3]), 0, 1, 2],
    ]  # fmt: skip
    assert batch["labels"].tolist()[1] == [-100, -100, *e[2:], -100, -100, b[2]]
    assert batch["labels"].tolist()[2] == [-100, -100, *c[2:], -100, -100, *d[2:], -100, -100, -100]
    assert batch["use_cache"] is False
    assert "attention_mask" not in batch


def test_a_first_token_is_never_learned_from_the_text_before() -> None:
    whole = [replace(text, scored=(True,) * len(text.scored)) for text in texts()]
    labels = packed_completions(0, "positions")(whole)["labels"]
    assert labels[1, 9] == -100
    assert int((labels != -100).sum()) == sum(len(text.token_ids) - 1 for text in whole)


def test_a_mask_shows_a_token_its_own_text_up_to_itself() -> None:
    mask = separated(torch.tensor([[0, 0, 1, 1, 1]]), "mask")["attention_mask"]
    shown = [[place == other or (place > other and (place < 2) == (other < 2)) for other in range(5)]
             for place in range(5)]  # fmt: skip
    assert (mask[0, 0] == 0).tolist() == shown
    assert float(mask.min()) == torch.finfo(torch.float32).min


def test_a_model_in_half_precision_is_packed_too() -> None:
    assert separation_of(tiny_model("llama").bfloat16()) == "positions"
    with pytest.raises(UnsupportedModelError):
        separation_of(tiny_model("bloom").bfloat16())
    training = tiny_model("llama").train()
    separation_of(training)
    assert training.training


LORA = Lora(rank=2, alpha=8)


@pytest.mark.parametrize("part", ["all", "adapters", "neurons"])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_packed_tuning_ends_with_the_weights_of_unpacked_tuning(part: str, accumulation: int) -> None:
    ends = []
    for pack in (False, True):
        model = tiny_model("llama")
        options = {"adapters": {"lora": LORA}, "neurons": {"neurons": some_neurons(view(model).layout)}}.get(part, {})
        config = TuningConfig(
            steps=5, batch_size=5, accumulation=accumulation, learning_rate=1e-3, pack=pack, **options
        )
        ends.append(tune(model, tiny_tokenizer(), examples(), config))
    unpacked, packed = ends
    assert packed.losses == pytest.approx(unpacked.losses, rel=1e-5)
    for (name, first), second in zip(unpacked.model.named_parameters(), packed.model.parameters(), strict=True):
        assert float((first - second).detach().abs().max()) <= 1e-5, name


def test_a_resumed_packed_tuning_ends_with_the_same_bytes(tmp_path: Path) -> None:
    config = TuningConfig(steps=7, batch_size=5, learning_rate=1e-2, pack=True, checkpoint_every=2)
    whole = tune(tiny_model("llama"), tiny_tokenizer(), examples(), config)
    kept = Kept(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        tune(tiny_model("llama"), tiny_tokenizer(), examples(), config, kept=kept, on_step=Stopping(5))
    part = tune(tiny_model("llama"), tiny_tokenizer(), examples(), config, kept=kept)
    assert part.losses == whole.losses
    for (name, first), second in zip(whole.model.named_parameters(), part.model.parameters(), strict=True):
        assert torch.equal(first, second), name


def test_unpacked_batches_are_padded_one_text_a_row() -> None:
    assert completions(0)(texts())["input_ids"].shape == (5, 12)
