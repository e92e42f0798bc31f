"""A lab model whose attention is linear: trained like the other, and analysed like the other."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neuroglot import evaluate
from neuroglot.corpora import load as load_corpus
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.lab import LabConfig, load, tasks, train
from neuroglot.lab.training import begin, train_lab
from neuroglot.metrics import BitsPerByte
from neuroglot.models import load as load_model
from neuroglot.models.architectures.transnormer import TransNormerForCausalLM
from neuroglot.recipes import all_recipes
from neuroglot.runs.identity import Identity
from neuroglot.storage import Kept
from tests.recipes.every import EXAMPLES
from tests.tiny import tiny_corpus

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


@pytest.mark.parametrize("architecture", ["llama", "transnormer"])
def test_it_is_trained_on_other_texts(architecture: str, tmp_path: Path) -> None:
    """And goes on where it was stopped, and has neither read what it keeps nor learned tokens of it."""
    rows = tiny_corpus(20, ("de", "en", "fr"))
    rows = replace(rows, texts={name: tuple(f"{text} {name}{row} zq{row}" for row, text in enumerate(column))
                                for name, column in rows.texts.items()})  # fmt: skip
    (tmp_path / "texts").mkdir()
    for language, column in rows.texts.items():
        (tmp_path / "texts" / f"{language}.txt").write_text("".join(f"{text}\n" for text in column))
    options = EXAMPLES["lab train"] | {
        "corpus": str(tmp_path / "texts"), "languages": ["de", "en"], "held_out_documents": 5, "documents": 12,
        "architecture": architecture,
    }  # fmt: skip
    recipe = all_recipes()["lab train"].from_json(options)
    read = recipe.read(Identity())
    corpus, _, _ = begin(read.config, read.rows)
    assert (len(corpus.train), len(corpus.held_out), corpus.held_out_tasks) == (12, 5, ())
    assert not set(corpus.train.ids) & set(corpus.held_out.ids)
    recipe.run(tmp_path / "run")
    kept = load_corpus(tmp_path / "run" / "held_out.jsonl")
    assert dict(kept.texts) == dict(corpus.held_out.texts)
    assert set(kept.texts["de"]) < set(rows.texts["de"])
    view, tokenizer = load_model(str(tmp_path / "run"), device="cpu")
    assert view.family.model_type == architecture
    assert len(evaluate(view, tokenizer, kept, BitsPerByte()).scores) == 2
    assert list(tasks(tmp_path / "run")) == []


def test_what_cannot_be_held_out_or_asked_of_the_lab_is_refused(tmp_path: Path) -> None:
    (tmp_path / "texts.tsv").write_text("de\ten\n" + "".join(f"satz {row}\ttext {row}\n" for row in range(8)))
    options = EXAMPLES["lab train"] | {"corpus": str(tmp_path / "texts.tsv")}
    make = all_recipes()["lab train"].from_json
    with pytest.raises(CorpusError, match="leaves nothing"):
        make(options | {"held_out_documents": 8}).read(Identity())
    assert len(make(options | {"held_out_documents": 3}).read(Identity()).rows) == 8
    with pytest.raises(ConfigError, match=r"generated in all of its languages.* Say --documents"):
        make(EXAMPLES["lab train"] | {"languages": ["de"]}).read(Identity())


def test_with_a_third_of_its_width_less_in_neurons_it_has_the_parameters_of_a_llama() -> None:
    sizes = {}
    for architecture, ffn in (("llama", 48), ("transnormer", 48 - 24 // 3)):
        _, _, model = begin(replace(TINY, architecture=architecture, hidden=24, ffn=ffn))
        sizes[architecture] = sum(parameter.numel() for parameter in model.parameters())
    norms, phases = (2 * 2 + 1) * 24, 24
    assert sizes["llama"] - norms == sizes["transnormer"] - phases


def test_an_architecture_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="Expected llama or transnormer"):
        LabConfig(architecture="mamba")
