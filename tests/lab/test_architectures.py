"""A lab model whose attention is linear: trained like the other, and analysed like the other."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.lab import LabConfig, load, train
from neuroglot.lab.training import train_lab
from neuroglot.models import load as load_model
from neuroglot.models.architectures.transnormer import TransNormerForCausalLM
from neuroglot.recipes import all_recipes
from neuroglot.storage import Kept
from tests.recipes.every import EXAMPLES

TINY = LabConfig(
    documents=30, questions=6, held_out_documents=8, held_out_questions=4, vocabulary=600, architecture="transnormer",
    hidden=16, layers=2, heads=2, ffn=32, steps=20, batch_rows=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    losses: list[float] = []
    folder = train(TINY, tmp_path_factory.mktemp("lab") / "linear", lambda _step, _steps, loss: losses.append(loss))
    return folder, losses


def test_it_learns_and_loads(trained: tuple[Path, list[float]]) -> None:
    folder, losses = trained
    assert losses[-1] < losses[0] - 0.3
    model, tokenizer = load(folder)
    assert isinstance(model, TransNormerForCausalLM)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert len(tokenizer) == model.config.vocab_size
    assert load_model(str(folder), device="cpu")[0].family.model_type == "transnormer"


def test_an_interrupted_training_goes_on_to_the_same_weights(trained: tuple[Path, list[float]], tmp_path: Path) -> None:
    def interrupt(step: int, *_: object) -> None:
        if step == 9:
            raise KeyboardInterrupt

    kept = Kept(tmp_path / "kept")
    with pytest.raises(KeyboardInterrupt):
        train_lab(TINY, kept=kept, checkpoint_every=4, on_step=interrupt)
    made = train_lab(TINY, kept=kept, checkpoint_every=4)
    assert list(made.losses) == trained[1]
    whole = load(trained[0])[0].state_dict()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in made.model.state_dict().items())


@pytest.mark.parametrize("command", ["attribute", "deactivate", "tune", "analyze"])
def test_its_neurons_are_asked_and_switched_off(
    command: str, trained: tuple[Path, list[float]], tmp_path: Path
) -> None:
    options = EXAMPLES[command] | {"model": str(trained[0])}
    if command == "analyze":
        options |= {"corpus": "lab", "languages": ["en", "de"], "limit": 6}
    all_recipes()[command].from_json(options).run(tmp_path / command)
    assert (tmp_path / command / "report.html").is_file()


def test_with_a_third_of_its_width_less_in_neurons_it_has_the_parameters_of_a_llama() -> None:
    from neuroglot.lab.training import begin

    sizes = {}
    for architecture, ffn in (("llama", 48), ("transnormer", 48 - 24 // 3)):
        _, _, model = begin(replace(TINY, architecture=architecture, hidden=24, ffn=ffn))
        sizes[architecture] = sum(parameter.numel() for parameter in model.parameters())
    norms, phases = (2 * 2 + 1) * 24, 24
    assert sizes["llama"] - norms == sizes["transnormer"] - phases


def test_an_architecture_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="Expected llama or transnormer"):
        LabConfig(architecture="mamba")
