"""Every recipe that reads any decoder, on a tiny model of each architecture of our own."""

from pathlib import Path

import pytest
import torch

from neuroglot.interventions import switch_off
from neuroglot.models import load
from neuroglot.models.architectures import own_families
from neuroglot.neurons import NeuronSet
from neuroglot.recipes import all_recipes
from tests.recipes.every import EXAMPLES, write_inputs

OURS = [family.model_type for family in own_families()]
ANY_DECODER = sorted(command for command, example in EXAMPLES.items() if "model" in map(str, example.values()))


@pytest.fixture(scope="module", params=OURS)
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp(request.param)
    write_inputs(folder, request.param)
    return folder


def test_the_recipes_are_those_that_were_meant() -> None:
    assert {"analyze", "record", "ablate", "sharing", "export", "generate", "select"} <= set(ANY_DECODER)
    assert OURS


@pytest.mark.parametrize("command", ANY_DECODER)
def test_it_runs_and_writes_its_report(command: str, workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workshop)
    out = Path(f"{command}-run")
    all_recipes()[command].from_json(EXAMPLES[command]).run(out)
    assert (out / "report.html").stat().st_size > 1000


def test_an_exported_checkpoint_is_the_model_with_its_neurons_off(
    workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workshop)
    all_recipes()["export"].from_json(EXAMPLES["export"]).run("exported")
    located, tokenizer = load("model", device="cpu")
    folded, _ = load("exported", device="cpu")
    ids = torch.tensor([tokenizer("w1 w2 w3 w9")["input_ids"]])
    with torch.no_grad(), switch_off(located, NeuronSet.load(Path("sets/de.safetensors"))):
        torch.testing.assert_close(folded.model(ids).logits, located.model(ids).logits)
