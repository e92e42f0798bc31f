"""A short training of a tiny model: it learns, it goes on, it keeps its masks."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neuroglot.errors import ConfigError, InterventionError
from neuroglot.interventions.gating import Semantics, gating
from neuroglot.models.view import ModelView
from neuroglot.recipes.specialize_train import SpecializeTrain
from neuroglot.storage import Kept
from neuroglot.tokens.examples import IGNORED
from neuroglot.tokens.mixtures import drawn
from neuroglot.tokens.pairs import Pairs, encode_pairs
from neuroglot.training.gated import collator, train_specialized, translation_training
from neuroglot.training.types import Training
from tests.specialization.making import located, random_masks, texts, translation_tokenizer, up_projections
from tests.specialization.test_gating import inputs_of, logits, token_ids

DIRECTIONS = ("en-de", "de-en", "fr-en")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("accelerate").setLevel(logging.ERROR)


def some_pairs(view: ModelView, directions: tuple[str, ...] = DIRECTIONS) -> Pairs:
    return encode_pairs(view, translation_tokenizer(), texts(6), directions)


def options(**given) -> Training:  # type: ignore[no-untyped-def]
    return Training(**{"steps": 6, "batch_size": 4, "learning_rate": 1e-2, "seed": 5} | given)


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
    how = {"semantics": semantics, "mixed": semantics == "activation"}
    training = options(steps=40, checkpoint_every=20)
    losses = train_specialized(view, masks, pairs, training, **how)
    assert len(losses) == 40
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])

    def stop(step: int, steps: int, loss: float) -> None:
        if step == 25:
            raise KeyboardInterrupt

    kept = Kept(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train_specialized(located("m2m_100"), masks, pairs, training, kept=kept, on_step=stop, **how)
    again = located("m2m_100")
    assert train_specialized(again, masks, pairs, training, kept=kept, **how) == losses
    for (name, parameter), other in zip(view.model.named_parameters(), again.model.parameters(), strict=True):
        assert torch.equal(parameter, other), name
    logits(view.model.eval(), inputs_of(view, token_ids()))  # no gate is left


def test_a_run_of_one_direction_leaves_rows_outside_its_mask_as_they_were() -> None:
    view = located("m2m_100")
    masks, pairs = random_masks(view.layout), some_pairs(view, ("fr-en",))
    before = {place: module.weight.detach().clone() for place, module in up_projections(view.model)}
    train_specialized(view, masks, pairs, options(label_smoothing=0.1))
    parts = {(layer.stack, layer.index): part for layer, part in view.layout.by_layer(masks["fr-en"].members)}
    for place, module in up_projections(view.model):
        changed = (module.weight != before[place]).any(1)
        assert torch.equal(changed & ~parts[place], torch.zeros_like(changed))
        assert changed.any()


@pytest.mark.parametrize("mixed", [False, True])
def test_the_model_is_given_the_pairs_as_they_were_drawn(mixed: bool) -> None:
    view = located("m2m_100")
    masks, pairs = random_masks(view.layout), some_pairs(view)
    given = options(accumulation=2)
    seen: list[int] = []
    spy = view.model.register_forward_pre_hook(
        lambda _model, _args, named: seen.extend(named["direction_ids"].tolist()), with_kwargs=True
    )
    train_specialized(view, masks, pairs, given, mixed=mixed)
    spy.remove()
    parts, lengths = zip(*((pair.language, len(pair.token_ids) + len(pair.target_ids)) for pair in pairs.pairs))
    order = drawn(parts, 12, 4, mixed=mixed, lengths=lengths, seed=5)
    assert seen == [masks.place(DIRECTIONS[pairs.pairs[index].language]) for index in order]


def test_an_interrupted_training_leaves_no_gate() -> None:
    view = located("m2m_100")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_specialized(view, random_masks(view.layout), some_pairs(view), options(), on_step=stop)
    logits(view.model.eval(), inputs_of(view, token_ids()))


def test_what_cannot_be_trained_is_refused() -> None:
    view = located("m2m_100")
    masks = random_masks(view.layout)
    with pytest.raises(ConfigError, match="steps=-1"):
        options(steps=-1)
    with pytest.raises(ConfigError, match="no mask of de-fr"):
        train_specialized(view, masks, some_pairs(view, ("de-fr",)), options())
    with gating(view, masks), pytest.raises(InterventionError, match="without directions"):
        logits(view.model, inputs_of(view, token_ids()))


def test_the_papers_options() -> None:
    training = translation_training(steps=50, learning_rate=1e-3, batch_size=2, seed=1)
    assert (training.schedule, training.warmup, training.beta2) == ("inverse_sqrt", 5, 0.98)
    assert (training.label_smoothing, training.weight_decay) == (0.1, 0.0)
    assert translation_training(steps=5, learning_rate=1e-3, batch_size=2, seed=1).warmup == 1  # a tenth, but one


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpecializeTrain:
    """An interrupted run in the folder `run`."""
    monkeypatch.chdir(tmp_path)
    for name, seed in (("model", 0), ("other", 1)):
        torch.manual_seed(seed)
        view = located("m2m_100")
        with torch.no_grad():
            next(view.model.parameters()).add_(seed)
        view.model.save_pretrained(name)
        translation_tokenizer().save_pretrained(name)
    for seed in (0, 1):
        random_masks(view.layout, seed=seed).save(Path(f"masks-{seed}.safetensors"))
    for name, rows in (("texts", 6), ("fewer", 5)):
        Path(name).mkdir()
        for language, column in texts(rows).texts.items():
            Path(name, f"{language}.txt").write_text("\n".join(column) + "\n")
    started = SpecializeTrain(
        model="model", corpus="texts", masks=Path("masks-0.safetensors"), directions=("en-de", "de-en"), steps=4,
        batch_size=2, checkpoint_every=1, device="cpu",
    )  # fmt: skip

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("neuroglot.training.tuning.save_model", fail)
        started.run("run")
    return started


CHANGED = {
    "corpus": ("fewer", "corpus: texts there, fewer here"),
    "learning_rate": (1e-3, "learning_rate"),
    "seed": (1, "seed"),
    "model": ("other", "model"),
    "masks": (Path("masks-1.safetensors"), "masks"),
    "steps": (5, "steps"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_run_does_not_go_on_with_another_job(job: SpecializeTrain, name: str) -> None:
    value, message = CHANGED[name]
    with pytest.raises(ConfigError, match=f"another job.*{message}"):
        replace(job, **{name: value}).run("run", resume=True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("texts", "fewer", "another data"), ("model", "other", "another model"),
     ("masks-0.safetensors", "masks-1.safetensors", "another masks")],
)  # fmt: skip
def test_nor_with_other_content_under_the_same_name(job: SpecializeTrain, old: str, new: str, said: str) -> None:
    Path(old).rename("away")
    Path(new).rename(old)
    with pytest.raises(ConfigError, match=said):
        job.run("run", resume=True)
    Path(old).rename(new)
    Path("away").rename(old)
    job.run("run", resume=True)
    assert Path("run", "model.safetensors").is_file()
