"""The whole job on tiny models: what lands in the run folder, and that nothing does when it fails."""

import json

import pytest
import torch

from neuroglot import Activity, NeuronSet, Sharing
from neuroglot.errors import ArtifactError, ConfigError, CorpusError, UnsupportedModelError
from neuroglot.recipes.analyze import Analyze
from neuroglot.runs.files import load_recipe
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A tiny model in the hub's layout and a folder of line-aligned texts."""
    model, texts = tmp_path_factory.mktemp("model"), tmp_path_factory.mktemp("texts")
    tiny_model("llama").save_pretrained(model)
    tiny_tokenizer().save_pretrained(model)
    for language, column in tiny_corpus(rows=24).texts.items():
        (texts / f"{language}.txt").write_text("\n".join(column) + "\n")
    return model, texts


def recipe_of(folders, **options) -> Analyze:
    model, texts = folders
    chosen = {"model": str(model), "corpus": str(texts), "device": "cpu"} | {
        "top_share": 0.2,
        "filter_quantile": 0.5,
        "owner_quantile": 0.7,
        "random_draws": 2,
    }
    return Analyze(**(chosen | options))


def test_the_run_folder_is_complete_and_repeatable(folders, tmp_path) -> None:
    recipe = recipe_of(folders)
    for name in ("first", "second"):
        recipe.run(tmp_path / name)
    names = {str(path.relative_to(tmp_path / "first")) for path in (tmp_path / "first").rglob("*") if path.is_file()}
    artefacts = {
        "activity.safetensors",
        "sharing.safetensors",
        *(f"neurons/{g}.safetensors" for g in ("de", "sw", "zh")),
    }
    assert names == {"report.html", "report.json", "recipe.json", "neuroglot-run.json"} | artefacts
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name
    assert load_recipe(tmp_path / "first", {"analyze": Analyze}) == recipe


def test_numbers_in_the_report_are_those_of_the_artefacts(folders, tmp_path) -> None:
    recipe_of(folders).run(tmp_path / "run")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    headline = report["headline"]
    assert headline["languages"] == ["de", "sw", "zh"]
    assert {"diagonal", "off_diagonal", "random"} <= set(headline)
    activity, sharing = (kind.load(tmp_path / "run" / f"{name}.safetensors") for kind, name in KINDS)
    assert sharing.rows == 12
    assert dict(activity.signature.fields)["rows"] == 12  # half of 24; the other half was switched off on
    assert headline["rows"] == 12
    sets = [
        NeuronSet.load(tmp_path / "run" / "neurons" / f"{language}.safetensors") for language in headline["languages"]
    ]
    assert any(len(neurons) for neurons in sets)


KINDS = ((Activity, "activity"), (Sharing, "sharing"))


def test_rows_to_select_on_and_rows_to_ablate_on_are_disjoint(folders, tmp_path) -> None:
    small = recipe_of(folders, ablation_rows=5).run(tmp_path / "small")
    assert small.headline["rows"] == 5


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": "nowhere"}, UnsupportedModelError, "cannot be loaded"),
        ({"corpus": "nowhere.tsv"}, CorpusError, "nowhere.tsv"),
        ({"languages": ("de", "xx-not")}, CorpusError, "xx-not"),
        ({"languages": ("de",)}, ConfigError, "one language"),
        ({"top_share": 2.0}, ConfigError, "top_share"),
        ({"random_draws": 0}, ConfigError, "random_draws"),
        ({"ablation_rows": 0}, ConfigError, "ablation_rows"),
        ({"fires": (0.0, 1.0)}, ConfigError, "threshold"),
        ({"device": "cpu9"}, ConfigError, "device"),
    ],
)
def test_a_run_that_fails_says_why_and_is_no_run(folders, tmp_path, options, error, words) -> None:
    model, texts = folders
    chosen = {"model": str(model), "corpus": str(texts), "device": "cpu"} | options
    with pytest.raises(error, match=words):
        Analyze(**chosen).run(tmp_path / "run")
    assert not list(tmp_path.glob("run/[!.]*"))


def test_a_folder_in_the_way_is_refused_before_anything_runs(folders, tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(ArtifactError):
            recipe_of(folders, model="never loaded").run(tmp_path, overwrite=overwrite)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_a_model_that_cannot_be_scored_is_refused_before_it_is_recorded(folders, tmp_path) -> None:
    tiny_model("xlm-roberta").save_pretrained(tmp_path / "encoder")
    tiny_tokenizer().save_pretrained(tmp_path / "encoder")
    with pytest.raises(ConfigError, match="has no mask token"):
        recipe_of(folders, model=str(tmp_path / "encoder")).run(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_an_interrupted_run_goes_on_with_the_same_bytes(folders, tmp_path, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("neuroglot.experiments.evaluation.ablation_matrix", interrupt)
    with pytest.raises(KeyboardInterrupt, match="--resume"):
        recipe_of(folders).run(tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr("neuroglot.activity.record.record", interrupt)  # is done already
    recipe_of(folders).run(tmp_path / "run", resume=True)
    monkeypatch.undo()
    recipe_of(folders).run(tmp_path / "straight")
    for path in (tmp_path / "straight").rglob("*.*"):
        assert (tmp_path / "run" / path.relative_to(tmp_path / "straight")).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("stored", ["{", "[]", '{"model": 3}', '{"modell": "lab"}', '{"fires": "x"}', "recipe: analyz"])
def test_a_file_that_makes_no_sense_is_refused(tmp_path, stored: str) -> None:
    (tmp_path / "recipe.json").write_text(stored)
    with pytest.raises(ConfigError):
        load_recipe(tmp_path, {"analyze": Analyze})


def test_the_lab_model_has_language_neurons(tmp_path) -> None:
    """Held-out rows, all languages; fewer rows and draws than the demo, and bars that leave room for that."""
    report = Analyze(model="lab", corpus="lab", ablation_rows=12, random_draws=2, ablated_tasks=0, device="cpu").run(
        tmp_path / "lab"
    )
    headline = report.headline
    assert len(headline["languages"]) >= 8
    assert headline["diagonal_over_off_diagonal"]["low"] > 2
    assert headline["diagonal_over_random"]["low"] > 1
    assert torch.get_num_threads() == 1
