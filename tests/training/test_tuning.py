"""Tuning: only answers are learned, runs repeat and go on to the last bit, and what is saved is what was trained."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from neuroglot.errors import ArtifactError, ConfigError, UnsupportedModelError
from neuroglot.storage import Kept
from neuroglot.tokens.examples import LONG
from neuroglot.tokens.examples import examples as encoded
from neuroglot.training import Example, Lora, Tuned, TuningConfig, tune
from neuroglot.training.adapters import with_adapters
from neuroglot.training.checkpoints import drop_old, last_whole, seal, step_of
from neuroglot.training.trainer import new_trainer, read_once
from neuroglot.training.tuning import completions, learnable
from neuroglot.training.types import Training
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer
from tests.training.making import examples

LORA = Lora(rank=2, alpha=8, dropout=0.2)
SHORT = TuningConfig(steps=4, batch_size=3, learning_rate=1e-2, schedule="constant")


def run(folder: Path, config: TuningConfig, model_type: str = "llama", **options) -> Tuned:  # type: ignore[no-untyped-def]
    tuned = tune(tiny_model(model_type), tiny_tokenizer(), examples(), config, **options)
    tuned.save(folder)
    return tuned


def labelled() -> list[dict[str, list[int]]]:
    """The tokens of each example, and labels that are -100 for those of the prompt."""
    texts = encoded(tiny_tokenizer(), examples(), end="eos").texts
    return [
        {
            "input_ids": list(text.token_ids),
            "labels": [token if asked else -100 for token, asked in zip(text.token_ids, text.scored, strict=True)],
        }
        for text in texts
    ]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def cross_entropy(model: PreTrainedModel, batch: list[dict[str, list[int]]]) -> float:
    """Mean over the learned tokens of the batch of −log p(token | all before it), each text on its own."""
    total, count = 0.0, 0
    for row in batch:
        with torch.no_grad():
            logits = model(torch.tensor([row["input_ids"]])).logits[0].double()
        for place in range(1, len(row["input_ids"])):
            if row["labels"][place] != -100:
                scores = logits[place - 1]
                total += math.log(sum(math.exp(s - scores.max()) for s in scores)) + float(
                    scores.max() - scores[row["input_ids"][place]]
                )
                count += 1
    return total / count


@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_first_loss_is_the_cross_entropy_of_the_first_answers(tmp_path: Path, accumulation: int) -> None:
    config = TuningConfig(steps=1, batch_size=4, accumulation=accumulation)
    rows = labelled()
    expected = cross_entropy(tiny_model("llama"), list(rows[: 4 * accumulation]))
    assert run(tmp_path / "a", config).losses[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("model_type", ["llama", "transnormer"])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_smoothed_labels_are_partly_every_token(tmp_path: Path, model_type: str, accumulation: int) -> None:
    """(1 − ε)·(−log p of the token) + ε·the mean of −log p over the vocabulary, over all learned tokens of the step."""
    config = TuningConfig(steps=1, batch_size=3, accumulation=accumulation, learning_rate=1e-2, label_smoothing=0.3)
    model, tokenizer = tiny_model(model_type), tiny_tokenizer()
    nats = []
    for row in labelled()[: 3 * accumulation]:
        with torch.no_grad():
            logs = model(torch.tensor([row["input_ids"]])).logits[0].double().log_softmax(-1)
        for place, label in enumerate(row["labels"]):
            if label != -100:
                nats.append(0.7 * -logs[place - 1, label].item() + 0.3 * -logs[place - 1].mean().item())
    tuned = tune(model, tokenizer, examples(), config)
    assert tuned.losses[0] == pytest.approx(sum(nats) / len(nats), abs=2e-4)  # the trainer rounds what it logs
    packed = tune(tiny_model(model_type), tokenizer, examples(), replace(config, pack=True))
    assert packed.losses[0] == pytest.approx(tuned.losses[0], abs=2e-4)


def test_batches_come_in_the_order_of_the_examples_with_labels_on_answers_only(tmp_path: Path) -> None:
    seen: list[list[list[int]]] = []
    rows = labelled()
    trainer = new_trainer(
        tiny_model("llama"), encoded(tiny_tokenizer(), examples(), end="eos").texts, completions(0),
        TuningConfig(steps=6, batch_size=3).training, tmp_path,
    )  # fmt: skip
    for batch in trainer.get_train_dataloader():
        seen += [
            [ids[mask == 1].tolist(), labels[mask == 1].tolist()]
            for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True)
        ]
        assert bool((batch["labels"][batch["attention_mask"] == 0] == -100).all())
    assert seen == [[row["input_ids"], row["labels"]] for row in rows]


def test_the_loss_falls_and_the_model_learns_the_answers(tmp_path: Path) -> None:
    tuned = run(tmp_path / "a", TuningConfig(steps=40, batch_size=12, learning_rate=1e-2))
    assert tuned.losses[-1] < 0.1 * tuned.losses[0]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "a").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "a")
    for example in examples():
        prompt = torch.tensor([tokenizer(example.prompt)["input_ids"]])
        said = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=6, do_sample=False)
        assert tokenizer.decode(said[0, prompt.shape[1] :]).split() == [*example.completion.split(), "</s>"]


class Stopping:
    """Interrupts a training after so many steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, step: int, total: int, loss: float) -> None:
        if step == self.step:
            raise KeyboardInterrupt


RESUMED = {
    "adapters": TuningConfig(steps=9, batch_size=5, learning_rate=1e-2, warmup=1, lora=LORA, checkpoint_every=2),
    "all": TuningConfig(
        steps=9, batch_size=5, learning_rate=1e-2, schedule="cosine", accumulation=2, checkpoint_every=2
    ),
}


def started(folder: Path, config: TuningConfig, stop: int = 7) -> Kept:
    """A training that was interrupted, with checkpoints after 4 and 6 steps."""
    kept = Kept(folder / "kept")
    with pytest.raises(KeyboardInterrupt):
        run(folder / "part", config, kept=kept, on_step=Stopping(stop))
    return kept


@pytest.mark.parametrize("name", RESUMED)
def test_two_runs_are_equal_and_a_resumed_one_too(tmp_path: Path, name: str) -> None:
    config = RESUMED[name]
    whole, again = run(tmp_path / "whole", config), run(tmp_path / "again", config)
    assert whole.losses == again.losses
    assert same(tmp_path / "whole", tmp_path / "again")
    kept, steps = started(tmp_path, config), []
    part = run(tmp_path / "part", config, kept=kept, on_step=lambda step, *_: steps.append(step))
    assert steps == [7, 8, 9]
    assert part.losses == whole.losses
    assert same(tmp_path / "whole", tmp_path / "part")


def remove(name: str):  # type: ignore[no-untyped-def]
    return lambda checkpoint: (checkpoint / name).unlink()


def cut(name: str):  # type: ignore[no-untyped-def]
    return lambda checkpoint: (checkpoint / name).write_bytes((checkpoint / name).read_bytes()[:-9])


DAMAGE = {
    "no optimizer": remove("optimizer.pt"),
    "no scheduler": remove("scheduler.pt"),
    "no rng state": remove("rng_state.pth"),
    "no trainer state": remove("trainer_state.json"),
    "no weights": remove("adapter_model.safetensors"),
    "not sealed": remove("whole.json"),
    "a damaged seal": cut("whole.json"),
    "weights cut short": cut("adapter_model.safetensors"),
    "optimizer cut short": cut("optimizer.pt"),
    "rng state cut short": cut("rng_state.pth"),
    "gone": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_it_goes_on_from_the_last_whole_checkpoint(tmp_path: Path, damage: str) -> None:
    config, steps = RESUMED["adapters"], []
    whole, kept = run(tmp_path / "whole", config), started(tmp_path, config)
    assert kept.folder is not None
    DAMAGE[damage](kept.folder / "checkpoint-6")
    part = run(tmp_path / "part", config, kept=kept, on_step=lambda step, *_: steps.append(step))
    assert steps == [5, 6, 7, 8, 9]
    assert part.losses == whole.losses
    assert same(tmp_path / "whole", tmp_path / "part")
    assert step_of(last_whole(kept.folder)) == 9


def test_without_a_whole_checkpoint_it_begins_again(tmp_path: Path) -> None:
    config, steps = RESUMED["adapters"], []
    whole, kept = run(tmp_path / "whole", config), started(tmp_path, config)
    assert kept.folder is not None
    for checkpoint in kept.folder.iterdir():
        (checkpoint / "optimizer.pt").unlink()
    part = run(tmp_path / "part", config, kept=kept, on_step=lambda step, *_: steps.append(step))
    assert steps == list(range(1, 10))
    assert part.losses == whole.losses


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("file write failed")])
def test_a_checkpoint_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path, monkeypatch, error) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("transformers.Trainer._save_optimizer_and_scheduler", fail)
    with pytest.raises(ArtifactError, match="checkpoint-2 cannot be written: .*(No space|file write)"):
        run(tmp_path / "a", RESUMED["all"], kept=Kept(tmp_path / "kept"))
    assert last_whole(tmp_path / "kept") is None


def test_another_seed_gives_other_adapters(tmp_path: Path) -> None:
    for seed in (0, 1):
        run(tmp_path / str(seed), TuningConfig(steps=2, batch_size=3, learning_rate=1e-2, lora=LORA, seed=seed))
    assert not same(tmp_path / "0", tmp_path / "1")


@pytest.mark.parametrize("model_type", ["llama", "bloom"])
def test_merged_weights_give_the_logits_of_the_adapters(tmp_path: Path, model_type: str) -> None:
    for save in ("merged", "adapter"):
        config = TuningConfig(steps=3, batch_size=3, learning_rate=1e-2, lora=LORA, save=save)
        run(tmp_path / save, config, model_type)
    tokens = torch.tensor([[1, 5, 6, 7, 8, 9]])
    base = tiny_model(model_type)
    with torch.no_grad():
        before = base(tokens).logits
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()(tokens).logits
        adapted = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()(tokens).logits
    torch.testing.assert_close(merged, adapted, rtol=1e-4, atol=1e-4)
    assert (merged - before).abs().max() > 1e-2
    assert not any("lora" in name for name in weights(tmp_path / "merged"))
    assert all("lora" in name for name in weights(tmp_path / "adapter"))


@pytest.mark.parametrize("lora", [None, LORA])
def test_all_but_the_weights_is_as_it_was(tmp_path: Path, lora: Lora | None) -> None:
    tiny_model("llama").save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    tune(
        AutoModelForCausalLM.from_pretrained(tmp_path / "base"), tiny_tokenizer(), examples(),
        TuningConfig(steps=1, lora=lora),
    ).save(tmp_path / "a")  # fmt: skip
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        assert json.loads((tmp_path / "a" / name).read_text()) == json.loads((tmp_path / "base" / name).read_text())
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a").iterdir()} == {0o644}
    before, after = weights(tmp_path / "base"), weights(tmp_path / "a")
    assert {name: tensor.shape for name, tensor in before.items()} == {n: tensor.shape for n, tensor in after.items()}
    assert not same(tmp_path / "base", tmp_path / "a")


def test_what_cannot_be_tuned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be tuned in this way: Target modules"):
        run(tmp_path / "a", TuningConfig(steps=1, lora=Lora(targets=("nowhere",))))
    for model_type in ("t5", "bert"):
        with pytest.raises(UnsupportedModelError, match="Expected a decoder"):
            run(tmp_path / "a", SHORT, model_type)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0}, {"steps": 1, "batch_size": 0}, {"steps": 1, "learning_rate": 0.0}, {"steps": 1, "warmup": 2},
        {"steps": 1, "learning_rate": float("nan")}, {"steps": 1, "save": "adapter"}, {"steps": 1, "end": "dot"},
        {"steps": 1, "unfit": "cut"}, {"steps": 1, "report_to": "hub"}, {"steps": 1, "checkpoint_every": 0},
        {"steps": 1, "schedule": "square"}, {"steps": 1, "weight_decay": -1.0}, {"steps": 1, "max_tokens": 0},
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match="Expected "):
        TuningConfig(**options)
    for wrong in ({"rank": 0}, {"alpha": 0}, {"dropout": 1.0}, {"targets": ()}):
        with pytest.raises(ConfigError, match="Expected"):
            Lora(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("lora", "given", "used"), [(None, None, 2e-5), (Lora(2), None, 1e-4), (Lora(2), 3e-3, 3e-3)])
def test_the_learning_rate_follows_from_what_is_trained_and_is_told(tmp_path, lora, given, used) -> None:
    config = TuningConfig(steps=1, learning_rate=given, lora=lora, end="none")
    assert config.rate == used


@pytest.mark.parametrize(("rank", "used"), [(8, "1e-4"), (0, "2e-5")])
def test_the_recipe_has_the_same_learning_rate(rank: int, used: str) -> None:
    from neuroglot.recipes.tune import Tune

    job = Tune(model="lab", corpus="lab", originals=("de",), steps=1, lora_rank=rank)
    assert job.tuning().rate == float(used)


def test_the_trainer_has_every_option_of_the_training(tmp_path: Path) -> None:
    training = Training(
        steps=9, learning_rate=0.3, batch_size=3, accumulation=4, schedule="cosine", warmup=2, weight_decay=0.7,
        beta2=0.8, label_smoothing=0.1, seed=8,
    )  # fmt: skip
    texts = encoded(tiny_tokenizer(), examples(), end="eos").texts
    used = new_trainer(tiny_model("llama"), texts, completions(0), training, tmp_path).args
    assert (used.max_steps, used.learning_rate, used.per_device_train_batch_size) == (9, 0.3, 3)
    assert (used.gradient_accumulation_steps, used.lr_scheduler_type, used.warmup_steps) == (4, "cosine", 2)
    assert (used.weight_decay, used.adam_beta2, used.label_smoothing_factor, used.seed) == (0.7, 0.8, 0.1, 8)


def test_all_rows_are_read_once_where_a_training_is_timed() -> None:
    seen: list[int] = []
    collate = completions(0)

    def noting(rows):  # type: ignore[no-untyped-def]
        seen.extend(len(row.token_ids) for row in rows)
        return collate(rows)

    texts = encoded(tiny_tokenizer(), examples(), end="eos").texts
    read_once(tiny_model("llama"), texts, noting, 5)
    assert seen == [len(text.token_ids) for text in texts]


def test_adapters_are_as_they_are_asked_for() -> None:
    (config,) = with_adapters(tiny_model("llama"), Lora(3, 12, 0.25, ("q_proj",)), 0).peft_config.values()  # type: ignore[attr-defined]
    assert (config.r, config.lora_alpha, config.lora_dropout, config.target_modules) == (3, 12, 0.25, ["q_proj"])
    first, again, other = (
        {
            name: weight.clone()
            for name, weight in with_adapters(tiny_model("llama"), Lora(3), seed).named_parameters()
            if "lora_A" in name
        }
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(weight, again[name]) for name, weight in first.items())
    assert not any(torch.equal(weight, other[name]) for name, weight in first.items())


def test_the_newest_checkpoint_is_that_of_most_steps(tmp_path: Path) -> None:
    """Not the last one in alphabetical order; and files in its folders are looked at too."""
    for step in (2, 9, 10):
        (tmp_path / f"checkpoint-{step}" / "deep").mkdir(parents=True)
        (tmp_path / f"checkpoint-{step}" / "deep" / "file").write_text(str(step))
        seal(tmp_path / f"checkpoint-{step}")
    assert step_of(last_whole(tmp_path)) == 10
    (tmp_path / "checkpoint-10" / "deep" / "file").write_text("damaged")
    assert step_of(last_whole(tmp_path)) == 9
    (tmp_path / "checkpoint-10").mkdir()
    drop_old(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-9"]


def test_no_example_is_longer_than_the_model_reads() -> None:
    """The tiny model reads 64 tokens, fewer than the options allow."""
    given = [Example(" ".join(["w1"] * 70), " w2", "direct", "long"), *examples(3)]
    config = TuningConfig(steps=1, max_tokens=100, unfit="drop")
    learned = learnable(tiny_model("llama"), tiny_tokenizer(), given, config)
    assert (learned.kept, learned.dropped) == ((1, 2, 3), {LONG: 1})
