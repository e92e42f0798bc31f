"""A short training of a tiny model: it learns, it goes on, it keeps its masks."""

import logging
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback, TrainingArguments

from neuroglot.errors import ArtifactError, ConfigError, InterventionError
from neuroglot.interventions.gating import Semantics, gating
from neuroglot.models.view import ModelView
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.tokens.examples import IGNORED
from neuroglot.tokens.mixtures import drawn
from neuroglot.tokens.pairs import Pairs, encode_pairs
from neuroglot.training.gated import MASKS_FILE, collator, train_specialized
from tests.specialization.making import located, random_masks, texts, translation_tokenizer, up_projections
from tests.specialization.test_gating import inputs_of, logits, token_ids

DIRECTIONS = ("en-de", "de-en", "fr-en")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("accelerate").setLevel(logging.ERROR)


def some_pairs(view: ModelView, directions: tuple[str, ...] = DIRECTIONS) -> Pairs:
    return encode_pairs(view, translation_tokenizer(), texts(6), directions)


def arguments(folder: Path, **options) -> TrainingArguments:  # type: ignore[no-untyped-def]
    given = {
        "max_steps": 6, "per_device_train_batch_size": 4, "learning_rate": 1e-2, "save_steps": 3, "logging_steps": 1,
        "report_to": "none", "use_cpu": True, "disable_tqdm": True, "dataloader_pin_memory": False, "seed": 5,
        "log_level": "error",
    }  # fmt: skip
    return TrainingArguments(output_dir=str(folder), **given | options)


@pytest.mark.parametrize("model_type", ["m2m_100", "mbart", "t5", "gpt2"])
def test_a_collated_batch_has_the_loss_of_its_pairs(model_type: str) -> None:
    view = located(model_type)
    masks, pairs = random_masks(view.layout), some_pairs(view)
    places = [masks.place(direction) for direction in pairs.directions]
    chosen = [(pair, places[pair.language]) for pair in pairs.pairs[::5]]
    collate = collator(view, pairs.pad_id)
    batch = collate(chosen)
    assert batch["direction_ids"].tolist() == [place for _, place in chosen]
    total = asked = 0.0
    with torch.no_grad(), gating(view, masks):
        got = float(view.model(**batch).loss)
        for one in chosen:
            alone = collate([one])
            count = int((alone["labels"] != IGNORED).sum())
            given = {"input_ids", "labels", "direction_ids"}  # the model makes the decoder's input itself
            total += count * float(view.model(**{name: alone[name] for name in given}).loss)
            asked += count
    assert got == pytest.approx(total / asked, rel=1e-5)


@pytest.mark.parametrize("semantics", ["activation", "weight row"])
def test_the_loss_falls_and_a_resumed_run_gives_equal_weights(tmp_path: Path, semantics: Semantics) -> None:
    view = located("m2m_100")  # with dropout and layers skipped by chance, as its config says
    masks, pairs = random_masks(view.layout), some_pairs(view)
    options = {"semantics": semantics, "mixed": semantics == "activation"}
    long = arguments(tmp_path / "long", max_steps=40, save_steps=20)
    trainer = train_specialized(view, masks, pairs, long, **options)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 40
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    again = located("m2m_100")
    checkpoint = tmp_path / "long" / "checkpoint-20"
    second = arguments(tmp_path / "second", max_steps=40, save_strategy="no")
    train_specialized(again, masks, pairs, second, resume_from=checkpoint, **options)
    for (name, parameter), other in zip(view.model.named_parameters(), again.model.parameters(), strict=True):
        assert torch.equal(parameter, other), name
    logits(view.model.eval(), inputs_of(view, token_ids()))  # no gate is left
    stored = DirectionMasks.load(checkpoint / MASKS_FILE)
    assert stored.directions == masks.directions
    assert torch.equal(stored.kept, masks.kept)


def test_a_run_of_one_direction_leaves_rows_outside_its_mask_as_they_were(tmp_path: Path) -> None:
    view = located("m2m_100")
    masks, pairs = random_masks(view.layout), some_pairs(view, ("fr-en",))
    before = {place: module.weight.detach().clone() for place, module in up_projections(view.model)}
    options = {"weight_decay": 0.0, "save_strategy": "no", "label_smoothing_factor": 0.1}
    train_specialized(view, masks, pairs, arguments(tmp_path, **options))
    parts = {(layer.stack, layer.index): part for layer, part in view.layout.by_layer(masks["fr-en"].members)}
    for place, module in up_projections(view.model):
        changed = (module.weight != before[place]).any(1)
        assert torch.equal(changed & ~parts[place], torch.zeros_like(changed))
        assert changed.any()


@pytest.mark.parametrize("mixed", [False, True])
def test_the_model_is_given_the_pairs_as_they_were_drawn(tmp_path: Path, mixed: bool) -> None:
    view = located("m2m_100")
    masks, pairs = random_masks(view.layout), some_pairs(view)
    given = arguments(tmp_path, save_strategy="no", gradient_accumulation_steps=2)
    seen: list[int] = []
    spy = view.model.register_forward_pre_hook(
        lambda _model, _args, named: seen.extend(named["direction_ids"].tolist()), with_kwargs=True
    )
    train_specialized(view, masks, pairs, given, mixed=mixed)
    spy.remove()
    parts, lengths = zip(*((pair.language, len(pair.token_ids) + len(pair.target_ids)) for pair in pairs.pairs))
    order = drawn(parts, 12, 4, mixed=mixed, lengths=lengths, seed=5)
    assert seen == [masks.place(DIRECTIONS[pairs.pairs[index].language]) for index in order]


class Failing(TrainerCallback):
    def on_step_end(self, args, state, control, **_):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt


def test_evaluation_is_gated_too_and_an_interrupted_run_leaves_no_gate(tmp_path: Path) -> None:
    view = located("m2m_100")
    masks, pairs = random_masks(view.layout), some_pairs(view)
    given = arguments(
        tmp_path, max_steps=1, eval_strategy="steps", eval_steps=1, learning_rate=0.0, save_strategy="no",
        per_device_eval_batch_size=100,
    )  # fmt: skip
    trainer = train_specialized(view, masks, pairs, given, eval_pairs=pairs, temperature=1)
    found = next(entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry)
    places = [masks.place(direction) for direction in pairs.directions]
    batch = collator(view, 0)([(pair, places[pair.language]) for pair in pairs.pairs])
    view.model.eval()
    with torch.no_grad(), gating(view, masks):
        gated = float(view.model(**batch).loss)
    del batch["direction_ids"]
    assert found == pytest.approx(gated, rel=1e-5)
    assert found != pytest.approx(view.model(**batch).loss.item(), rel=1e-2)
    with pytest.raises(KeyboardInterrupt):
        train_specialized(view, masks, pairs, arguments(tmp_path, save_strategy="no"), callbacks=[Failing()])
    logits(view.model.eval(), inputs_of(view, token_ids()))


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    view = located("m2m_100")
    masks, pairs = random_masks(view.layout), some_pairs(view)
    with pytest.raises(ConfigError, match="max_steps=-1"):
        train_specialized(view, masks, pairs, arguments(tmp_path, max_steps=-1))
    with pytest.raises(ConfigError, match="no mask of de-fr"):
        train_specialized(view, masks, some_pairs(view, ("de-fr",)), arguments(tmp_path))
    with pytest.raises(ArtifactError, match="not a file"):
        train_specialized(view, masks, pairs, arguments(tmp_path), resume_from=tmp_path / "nowhere")
    random_masks(view.layout, seed=1).save(tmp_path / "other" / MASKS_FILE)
    with pytest.raises(ArtifactError, match="other masks"):
        train_specialized(view, masks, pairs, arguments(tmp_path), resume_from=tmp_path / "other")
    with gating(view, masks), pytest.raises(InterventionError, match="without directions"):
        logits(view.model, inputs_of(view, token_ids()))
