"""Training: a tiny recipe end to end, whole folders only, and the same weights from the same seed."""

import json
import stat
from dataclasses import replace
from random import Random

import pytest
import torch

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.lab import LabConfig, held_out, load, read_header, tasks, train
from neuroglot.lab.training import collate, packed, rate_factor, train_lab
from neuroglot.storage import Kept
from neuroglot.tokens.tokenizing import Text

TINY = LabConfig(
    documents=30, questions=6, held_out_documents=8, held_out_questions=4, vocabulary=600,
    hidden=16, layers=2, heads=2, ffn=32, steps=20, batch_rows=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    losses = []
    out = tmp_path_factory.mktemp("lab") / "tiny"
    folder = train(TINY, out, lambda *step: losses.append(step))
    return folder, losses


def test_twenty_steps_lower_the_loss(trained):
    _, losses = trained
    assert [step for step, _, _ in losses] == list(range(1, 21))
    assert {steps for _, steps, _ in losses} == {20}
    assert losses[-1][2] < losses[0][2] - 0.3


def test_the_folder_is_the_hubs_layout_and_loads(trained):
    folder, _ = trained
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    names |= {"held_out.jsonl", "tasks.jsonl"}
    assert {path.name for path in folder.iterdir()} == names
    assert all(path.stat().st_mode & stat.S_IROTH for path in folder.iterdir())
    model, tokenizer = load(folder)
    assert not model.training
    assert model.config.num_hidden_layers == 2
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert len(tokenizer) == model.config.vocab_size
    assert len(held_out(folder)) == 8
    assert {task.name: len(task.prompts) for task in tasks(folder)}["iso_date"] == 4
    assert json.loads(read_header(folder)["recipe"])["steps"] == 20


def test_same_recipe_same_weights(trained, tmp_path):
    again = train(TINY, tmp_path / "again")
    first, second = (load(folder)[0].state_dict() for folder in (trained[0], again))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert read_header(again) == read_header(trained[0])


@pytest.mark.parametrize("stop", [8, 13])
@pytest.mark.parametrize("damaged", [False, True])
def test_an_interrupted_training_goes_on_to_the_same_weights(trained, tmp_path, stop, damaged):
    def interrupt(step, *_):
        if step == stop:
            raise KeyboardInterrupt

    kept, steps = Kept(tmp_path / "kept"), []
    with pytest.raises(KeyboardInterrupt):
        train_lab(TINY, kept=kept, checkpoint_every=4, on_step=interrupt)
    last = stop // 4 * 4
    if damaged:
        state = tmp_path / "kept" / f"checkpoint-{last}" / "state.safetensors"
        state.write_bytes(state.read_bytes()[:-5])
    made = train_lab(TINY, kept=kept, checkpoint_every=4, on_step=lambda step, *_: steps.append(step))
    assert steps[0] == last + 1 - 4 * damaged
    assert list(made.losses) == [loss for _, _, loss in trained[1]]
    whole = load(trained[0])[0].state_dict()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in made.model.state_dict().items())


def test_equal_trainings_give_equal_bytes(trained, tmp_path):
    again = train(TINY, tmp_path / "again")
    for path in again.iterdir():
        assert path.read_bytes() == (trained[0] / path.name).read_bytes(), path.name


def test_an_existing_folder_is_refused_before_any_work(trained, tmp_path):
    with pytest.raises(ArtifactError, match="exists already"):
        train(TINY, trained[0])


def test_a_failure_leaves_nothing_behind(tmp_path):
    def stop(step, steps, loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path / "new", stop)
    assert not list(tmp_path.iterdir())


def test_minutes_shorten_training(tmp_path):
    folder = train(LabConfig(**{**vars(TINY), "steps": 100_000, "minutes": 0.05}), tmp_path / "short")
    assert 1 <= json.loads(read_header(folder)["recipe"])["steps"] < 100_000


def test_no_minutes_is_refused():
    with pytest.raises(ConfigError, match="minutes"):
        LabConfig(minutes=0)


def test_rates_rise_then_fall_to_nothing():
    config = LabConfig(steps=100, warmup_share=0.1)
    factors = [rate_factor(step, config) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0)
    assert factors[100] == 0
    assert all(0 < factor <= 1 for factor in factors[:100])


def test_padding_and_bos_are_no_targets_and_answers_weigh_more():
    answered = replace(Text.of((5, 6, 7)), scored=(False, False, True))
    rows = [[answered, Text.of((8,))], [Text.of((5,))]]
    batch = collate(rows, answer_weight=4.0, bos=0, pad=1)
    assert batch.ids_BT.tolist() == [[0, 5, 6, 7, 8], [0, 5, 1, 1, 1]]
    assert batch.weights_BT.tolist() == [[0, 1, 1, 4, 1], [0, 1, 0, 0, 0]]


def test_packing_keeps_every_text_whole_and_within_the_room():
    texts = [Text.of((number,) * length) for number, length in enumerate([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])]
    rows = list(packed(texts, 8, Random(0)))
    assert sorted(text.token_ids for row in rows for text in row) == sorted(text.token_ids for text in texts)
    assert all(sum(len(text.token_ids) for text in row) <= 8 or len(row) == 1 for row in rows)
    assert len(rows) < len(texts)
