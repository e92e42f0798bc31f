"""What a training keeps for trajectory inversion, against an independent loop over its checkpoints."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neuroglot.decisions.trajectories import inversion_of
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.storage import Kept
from neuroglot.tokens.examples import examples as encoded
from neuroglot.training import Lora, TuningConfig, tune
from neuroglot.training.trajectory import TRAJECTORY_FILE, Trajectory
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer
from tests.training.making import examples

DOUBLE = {"dtype": torch.float64}
CONFIG = TuningConfig(steps=5, batch_size=3, learning_rate=1e-2, log_choices=True, checkpoint_every=1, warmup=1)


def tuned(config: TuningConfig, folder: Path | None = None):
    kept = Kept() if folder is None else Kept(folder)
    return tune(tiny_model("llama"), tiny_tokenizer(), examples(), config, kept=kept)


def by_checkpoints(config: TuningConfig, tmp_path: Path):
    """Σ η of the mean softmax, and of the shares of tokens, from the weights that a training of k steps leaves."""
    texts = encoded(tiny_tokenizer(), examples(), end="eos").texts
    each = config.batch_size * config.accumulation
    choices, chosen, total = torch.zeros(60, **DOUBLE), torch.zeros(60, **DOUBLE), 0.0
    for step in range(config.steps):
        model = tiny_model("llama")
        if step:
            from safetensors.torch import load_file

            folder = tmp_path / "every" / f"checkpoint-{step}"
            model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        rate = rates(config)[step]
        batch = [texts[(step * each + index) % len(texts)] for index in range(each)]
        said, targets = [], []
        for text in batch:
            with torch.no_grad():
                logits = model(torch.tensor([list(text.token_ids)])).logits[0].double()
            for place in range(1, len(text.token_ids)):
                if text.scored[place]:
                    said.append(logits[place - 1].softmax(-1))
                    targets.append(text.token_ids[place])
        if len(choices) != len(said[0]):
            choices, chosen = torch.zeros(len(said[0]), **DOUBLE), torch.zeros(len(said[0]), **DOUBLE)
        choices += rate * torch.stack(said).mean(0)
        for target in targets:
            chosen[target] += rate / len(targets)
        total += rate
    return choices, chosen, total


def rates(config: TuningConfig) -> list[float]:
    """A linear schedule that rises over one step."""
    top, steps, warm = config.rate, config.steps, config.warmup
    return [top * k / warm if k < warm else top * (steps - k) / (steps - warm) for k in range(steps)]


@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_mean_of_choices_is_that_of_a_loop_over_checkpoints(tmp_path: Path, accumulation: int, monkeypatch) -> None:
    config = replace(CONFIG, accumulation=accumulation)
    kept_all(monkeypatch)
    found = tuned(config, tmp_path / "every").trajectory
    choices, chosen, total = by_checkpoints(config, tmp_path)
    assert found.steps == 5
    assert found.total_rate == pytest.approx(total)
    assert torch.allclose(found.choices, choices, atol=1e-7)
    assert torch.allclose(found.chosen, chosen, atol=1e-12)
    assert float(found.mean_choice.sum()) == pytest.approx(1, abs=1e-5)


def kept_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainers remove all checkpoints but the last two."""
    monkeypatch.setattr("transformers.Trainer._rotate_checkpoints", lambda *_, **__: None, raising=False)
    monkeypatch.setattr("transformers.trainer.rotate_checkpoints", lambda *_, **__: None, raising=False)


@pytest.mark.parametrize("options", [{}, {"lora": Lora(rank=2)}, {"pack": True}], ids=str)
def test_it_changes_nothing_of_the_training_and_is_off_by_default(options: dict) -> None:
    config = replace(CONFIG, checkpoint_every=None, **options)
    with_it, without = tuned(config), tuned(replace(config, log_choices=False))
    assert with_it.losses == without.losses
    assert without.trajectory is None
    assert TuningConfig(steps=1).log_choices is False
    states = [each.model.state_dict() for each in (with_it, without)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_packed_examples_are_observed_as_single_ones() -> None:
    packed, single = (tuned(replace(CONFIG, checkpoint_every=None, pack=pack)).trajectory for pack in (True, False))
    assert torch.allclose(packed.choices, single.choices, atol=1e-6)
    assert torch.equal(packed.chosen, single.chosen)


def test_a_resumed_training_keeps_the_same_to_the_last_bit(tmp_path: Path) -> None:
    config = replace(CONFIG, checkpoint_every=2)
    whole = tuned(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    shutil.rmtree(tmp_path / "killed" / "checkpoint-5", ignore_errors=True)
    assert (tmp_path / "killed" / "checkpoint-4" / TRAJECTORY_FILE).is_file()
    resumed = tuned(config, tmp_path / "killed")
    for name in ("choices", "chosen", "start"):
        assert torch.equal(getattr(resumed.trajectory, name), getattr(whole.trajectory, name)), name
    assert (resumed.trajectory.total_rate, resumed.trajectory.steps) == (whole.trajectory.total_rate, 5)


def test_it_is_saved_beside_the_model_and_read_back(tmp_path: Path) -> None:
    made = tuned(replace(CONFIG, checkpoint_every=None))
    made.save(tmp_path)
    read = Trajectory.load(tmp_path / TRAJECTORY_FILE)
    assert torch.equal(read.mean_choice, made.trajectory.mean_choice)
    inversion = inversion_of(read)
    assert inversion.total_rate == read.total_rate
    assert inversion.mean_choice == tuple(read.mean_choice.tolist())
    assert set(inversion.start) == {0.0}  # this model has no output bias


def test_the_output_bias_under_sgd_gives_back_how_often_each_token_was_chosen() -> None:
    """Where it is exact: a head with a bias, of which only the bias learns, at rates that fall."""
    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(4, 7).double()
    model = type("Model", (), {"get_output_embeddings": lambda self: head})()
    optimizer = torch.optim.SGD([head.bias], lr=0.5)
    trajectory, shares = Trajectory(), torch.zeros(7, **DOUBLE)
    trajectory.begin(model)
    for step in range(60):
        optimizer.param_groups[0]["lr"] = rate = 0.5 / (1 + step / 20)
        states = torch.randn(3, 5, 4, generator=generator, **DOUBLE)
        labels = torch.randint(3, (3, 5), generator=generator) * torch.randint(1, 3, (3, 5), generator=generator)
        labels[0, :3] = -100
        logits = head(states)
        trajectory.observe(logits[:2], labels[:2], rate)  # in two batches
        trajectory.observe(logits[2:], labels[2:], rate)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()).backward()
        optimizer.step()
        trajectory.end_step()
        learned = labels[:, 1:][labels[:, 1:] != -100]
        shares += rate * torch.bincount(learned, minlength=7).double() / len(learned)
    expected = shares / trajectory.total_rate
    assert torch.allclose(trajectory.chosen / trajectory.total_rate, expected, atol=1e-12)
    assert torch.allclose(inversion_of(trajectory)(head.bias.detach()).exp(), expected, rtol=0, atol=1e-12)
    assert not torch.allclose(head.bias.detach().softmax(-1), expected, atol=0.02)


@pytest.mark.parametrize("change", [{"steps": "5"}, {"total_rate": None}, {"steps": -1}])
def test_another_file_is_refused(tmp_path: Path, change: dict) -> None:
    path = tuned(replace(CONFIG, checkpoint_every=None, steps=1, warmup=0)).trajectory.save(tmp_path / "t.safetensors")
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    described = json.loads(header["__metadata__"]["neuroglot"])
    described["header"] |= change
    header["__metadata__"]["neuroglot"] = json.dumps(described)
    written = json.dumps(header).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + content[8 + size :])
    with pytest.raises(ArtifactError, match="trajectory"):
        Trajectory.load(path)


def test_nothing_is_inverted_without_a_step() -> None:
    with pytest.raises(ConfigError, match="no step"):
        inversion_of(Trajectory())
