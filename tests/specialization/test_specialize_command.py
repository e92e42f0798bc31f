"""From counts to masks, scores and a small model on the command line, and scores against sacrebleu itself."""

import json
from pathlib import Path

import pytest
import sacrebleu
from cyclopts import App

from neuroglot.cli.specialization import specialize_app
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.experiments.translations import Translations, score_translations
from neuroglot.interventions.compacting import load_compacted
from neuroglot.neurons.masks import DirectionMasks
from tests.specialization.making import located, texts, translation_tokenizer


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    located("m2m_100").model.save_pretrained("model")
    translation_tokenizer().save_pretrained("model")
    Path("texts").mkdir()
    for language, column in texts().texts.items():
        Path(f"texts/{language}.txt").write_text("\n".join(column) + "\n")
    app = App(name="neuroglot")
    app.command(specialize_app)

    def command(*words: str) -> str:
        capsys.readouterr()
        app(["specialize", *words], result_action="return_value")
        return capsys.readouterr().out

    return command


def test_from_texts_to_a_small_model(run) -> None:  # type: ignore[no-untyped-def]
    model = ("model", "--device", "cpu")
    out = json.loads(run("collect", *model, "--corpus", "texts", "--out", "run", "--json"))
    assert list(out["tokens"]) == ["en-de", "en-fr", "de-en", "fr-en"]
    with pytest.raises(ArtifactError, match="exists already"):
        run("collect", *model, "--corpus", "texts", "--out", "run")
    said = run(
        "select", "run/activity.safetensors", "--coverage", "70", "--x2en-dec", "30", "--zero-shot", "de-fr",
        "--out", "masks.safetensors",
    )  # fmt: skip
    assert said.count("neurons kept") == 5
    masks = DirectionMasks.load("masks.safetensors")
    assert str(masks.directions[-1]) == "de-fr"
    assert f"fr-en: {len(masks['fr-en']):,} of 112 neurons kept" in said
    sizes = dict(zip(map(str, masks.directions), masks.sizes()[:, -1].tolist(), strict=True))
    assert sizes["de-en"] < sizes["en-de"]
    scored = json.loads(
        run("evaluate", *model, "--masks", "masks.safetensors", "--corpus", "texts", "--directions", "en-de", "de-fr",
            "--max-new-tokens", "5", "--beams", "2", "--metrics", "chrf++", "--json")
    )  # fmt: skip
    assert list(scored) == ["en-de", "de-fr"]
    assert all(column[0]["rows"] == 5 and "baseline" in column[0] for column in scored.values())
    said = run("compact", *model, "--masks", "masks.safetensors", "--direction", "en-de", "--out", "small")
    assert "one forward" in said
    small = load_compacted("small")
    assert small.widths == tuple(masks["en-de"].counts_by_layer())
    assert f"→ {small.parameters:,}," in said


def test_bad_input_leaves_nothing(run) -> None:  # type: ignore[no-untyped-def]
    model = ("model", "--device", "cpu")
    with pytest.raises(ConfigError, match="no direction"):
        run("collect", *model, "--corpus", "texts", "--directions", "nowhere", "--out", "run")
    with pytest.raises(ConfigError, match="'it' and one or more others"):
        run("collect", *model, "--corpus", "texts", "--pivot", "it", "--out", "run")
    assert not Path("run").exists()


def test_scores_are_sacrebleus_for_the_rows_that_were_translated() -> None:
    corpus, direction = texts(6), Direction("en", "de")
    rows = [0, 1, 2, 4]
    references = [corpus.texts["de"][row] for row in rows]
    hypotheses = tuple(f"{reference.split()[0]} w1 {reference}" for reference in references)
    translations = Translations(tuple(corpus.ids[row] for row in rows), {direction: hypotheses}, {"over_length": 2})
    (score,) = score_translations(translations, corpus, ["chrf++"])[direction]
    assert score.score.value == pytest.approx(sacrebleu.corpus_chrf(list(hypotheses), [references], word_order=2).score)
    assert score.rows == len(rows)
    with pytest.raises(CorpusError, match="'en-de'"):
        score_translations(translations, corpus, baseline=Translations(translations.ids, {}, {}))
