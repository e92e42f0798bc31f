"""Two processes with half of the heads and neurons each compute what one computes alone."""

from typing import Any

import pytest
import torch

from tests.launching import on_two_processes
from tests.models.transnormer.making import KINDS, tiny, token_ids

EQUAL = ("as released", "paper", "lrpe and decay in all layers", "hybrid", "ungated", "softmax first, with lrpe")
OTHER: dict[str, dict[str, Any]] = {
    "norm over own heads": {"norm_over": "own heads"},
    "norm with weights": {"norm": "rms"},
    "three heads": {"num_attention_heads": 3, "attention_size": 24},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What two processes found of every model, by its name."""
    folders = {name: tmp_path_factory.mktemp("parallel") for name in (*EQUAL, *OTHER)}
    for name, folder in folders.items():
        made(name).float().save_pretrained(folder)
    on_two_processes("tests.models.transnormer.on_two_processes", *folders.values())
    return {name: torch.load(folder / "found.pt", weights_only=True) for name, folder in folders.items()}


def made(name: str) -> Any:
    return tiny(name, torch.float32) if name in KINDS else tiny(dtype=torch.float32, **OTHER[name])


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((got - expected).abs().max() / expected.abs().max()).detach())


@pytest.mark.parametrize("name", EQUAL)
def test_logits_gradients_and_beams_are_those_of_one_process(name: str, found: dict[str, dict[str, Any]]) -> None:
    model, ids = made(name).double(), token_ids()
    out = model(ids, labels=ids)
    out.loss.backward()
    assert relative(found[name]["logits"], out.logits) < 1e-12
    for parameter, weight in model.named_parameters():
        gradient = found[name][f"gradient {parameter}"]
        assert relative(gradient, weight.grad) < (1e-10 if gradient.dtype == torch.float64 else 1e-6), parameter
    beams = model.generate(ids, max_new_tokens=6, num_beams=3, attention_mask=torch.ones_like(ids), pad_token_id=0)
    assert torch.equal(found[name]["beams"], beams)
    assert found[name]["width"] == 12  # half of the feed-forward neurons


def test_a_norm_over_own_heads_is_another_model_and_is_named(found: dict[str, dict[str, Any]]) -> None:
    model, ids = made("norm over own heads").double(), token_ids()
    difference = relative(found["norm over own heads"]["logits"], model(ids).logits)
    assert 1e-3 < difference < 2


def test_what_cannot_be_split_is_refused(found: dict[str, dict[str, Any]]) -> None:
    assert "Expected norm='srms'" in found["norm with weights"]["error"]
    assert "3 heads were to be split among 2 processes" in found["three heads"]["error"]
