"""A model that is split between two processes has the neurons of the whole one, in each of them."""

from typing import Any

import pytest
import torch

from neuroglot.models import view
from tests.families import tiny_model
from tests.launching import on_two_processes
from tests.models.split.measuring import measured

WHOLE = ("llama", "qwen2", "gemma3_text")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes found of every model, by its name."""
    folders = {name: tmp_path_factory.mktemp(name) for name in (*WHOLE, "mixtral")}
    for name, folder in folders.items():
        tiny_model(name).save_pretrained(folder)
    on_two_processes("tests.models.split.on_two_processes", *folders.values())
    return {
        name: [torch.load(folder / f"found-{rank}.pt", weights_only=True) for rank in range(2)]
        for name, folder in folders.items()
    }


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("name", WHOLE)
def test_counts_effects_and_weights_are_those_of_the_whole_model(
    name: str, rank: int, found: dict[str, list[dict[str, Any]]]
) -> None:
    alone, split = measured(view(tiny_model(name).float())), found[name][rank]
    assert "error" not in split, split["error"]
    assert split["width"] == alone["vectors"].shape[0] // 2  # it was split
    assert split["shared"] == 1  # both read every row
    assert split["weights"] == alone["weights"]
    assert torch.equal(split["vectors"], alone["vectors"])
    assert torch.equal(split["fired"], alone["fired"])
    assert torch.allclose(split["logits"], alone["logits"], rtol=0, atol=1e-5 * float(alone["logits"].abs().max()))
    assert torch.allclose(split["losses"], alone["losses"], rtol=1e-5)


def test_what_needs_whole_weights_is_refused(found: dict[str, list[dict[str, Any]]]) -> None:
    refused = found["llama"][0]["refused"]
    assert ["A gradient of the loss works" in refused[0], "Folding works" in refused[1]] == [True, True]


def test_experts_that_are_split_are_refused(found: dict[str, list[dict[str, Any]]]) -> None:
    assert "error" in found["mixtral"][0], found["mixtral"]
