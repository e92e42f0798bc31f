"""The table of text metrics: what it refuses, COMET without its library, and its page in the docs."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from neuroglot.errors import ConfigError, MissingExtraError
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, Texts, choose_metrics, score_texts

PAGE = Path(__file__).parents[3] / "docs" / "scores.md"
TEXTS = Texts(("12 Häuser", "3"), (("12 Häuser", "4"),), ("12 houses", "3"))
ELSEWHERE = {"spbleu", "comet"}  # need what cannot be installed offline
ELSEWHERE |= {"form", "form-f1"}  # are of formal languages alone
if find_spec("jiwer") is None:  # of the extra `sign`
    ELSEWHERE |= {"wer", "wer-sclite", "wer-of-sentences"}


@pytest.mark.parametrize("name", sorted(set(TEXT_METRICS) - ELSEWHERE))
def test_every_metric_gives_a_score_that_prints_and_saves(name: str) -> None:
    (found,) = score_texts(TEXTS, [name], TextOptions(language="de"), baseline=("12 Haus", "4"))
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)).keys() == {
        "metric", "name", "score", "low", "high", "signature", "verbose", "rows", "baseline",
    }  # fmt: skip
    assert found.to_json()["baseline"].keys() == {"score", "difference", "low", "high", "p", "test"}
    assert str(found).startswith(f"{TEXT_METRICS[name].name}|nrefs:1|")
    assert "\n  baseline " in str(found)
    assert "version" in dict(found.signature.fields)


@pytest.mark.parametrize("name", sorted(set(TEXT_METRICS) - ELSEWHERE))
def test_right_texts_are_better_than_wrong_ones_in_the_direction_that_the_table_says(name: str) -> None:
    right = ("acht 8 Hunde laufen", "neun 9 Katzen schlafen")
    wrong = ("zwei 2 Wagen", "ein")
    good, bad = (
        score_texts(Texts(side, (right,), wrong), [name], TextOptions(language="de"))[0].score.value
        for side in ((right[0], "9 Katzen schlafen"), wrong)
    )
    assert (good > bad) is TEXT_METRICS[name].higher_is_better


def test_wrong_choices_are_refused() -> None:
    for names in ([], ["blue"], ["chrf", "chrf"]):
        with pytest.raises(ConfigError, match="Expected each once, of bleu, spbleu"):
            choose_metrics(names, TextOptions())
    for options, option in (
        (TextOptions(tokenize="zh"), "tokenize"),
        (TextOptions(normalization="mlqa"), "normalization"),
    ):
        with pytest.raises(ConfigError, match=f"The option {option} was given"):
            choose_metrics(["chrf"], options)


def test_comet_without_its_library_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "comet", None)
    with pytest.raises(MissingExtraError, match="pip install 'unbabel-comet'"):
        score_texts(TEXTS, ["comet"])
    with pytest.raises(ConfigError, match="--source"):
        score_texts(Texts(("a",), (("a",),)), ["comet"])


def test_comet_scores_every_row_with_the_best_reference(monkeypatch) -> None:
    class Model:
        def predict(
            self, samples: list[dict[str, str]], batch_size: int, gpus: int, progress_bar: bool
        ) -> SimpleNamespace:
            assert {tuple(sample) for sample in samples} == {("src", "mt", "ref")}
            assert [sample["src"] for sample in samples] == ["s", "t"]
            return SimpleNamespace(scores=[0.9 if sample["mt"] == sample["ref"] else 0.5 for sample in samples])

    library = SimpleNamespace(
        download_model=lambda name: f"{name}.ckpt", load_from_checkpoint=lambda path: loaded(path)
    )

    def loaded(path: str) -> Model:
        if path != "org/model.ckpt":
            raise KeyError(f"{path} not supported")
        return Model()

    monkeypatch.setitem(sys.modules, "comet", library)
    monkeypatch.setattr("neuroglot.metrics.texts.comet.version", lambda name: {"unbabel-comet": "2.2.9"}[name])
    texts = Texts(("a", "b"), (("a", "x"), ("y", "z")), ("s", "t"))
    (found,) = score_texts(texts, ["comet"], TextOptions(comet_model="org/model"))
    assert found.score.value == pytest.approx(0.7)
    assert str(found.signature) == "nrefs:2|model:org/model|average:row|version:unbabel-comet 2.2.9"
    with pytest.raises(ConfigError, match="'org/none' could not be loaded"):
        score_texts(texts, ["comet"], TextOptions(comet_model="org/none"))


def lines_of_the_page() -> list[str]:
    return [
        f"| `{name}` | {row.name} | {row.definition} | {row.library} | {row.unit}, "
        f"{'higher' if row.higher_is_better else 'lower'} is better |"
        for name, row in TEXT_METRICS.items()
    ]


def test_the_page_has_every_metric() -> None:
    page = PAGE.read_text().split("\n")
    assert [line for line in page if line.startswith("| `")][1 : 1 + len(TEXT_METRICS)] == lines_of_the_page()
