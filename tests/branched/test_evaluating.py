"""Scores by core language and by resources, and how many translations are in another language than the target."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction, directions_of
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.experiments import lego
from neuroglot.experiments.lego import BASE, core_directions, flows_in, off_target, score_flows, sets_of
from neuroglot.experiments.lego_tables import core_means
from neuroglot.metrics.branches import FlowScores
from neuroglot.metrics.intervals import Score, share_means
from neuroglot.metrics.texts.metric import mean_percent
from neuroglot.models.branched import BranchedSeq2Seq
from neuroglot.neurons.language_groups import means_by_group
from neuroglot.reports import Report
from neuroglot.reports.section import section_of
from neuroglot.signature import Signature
from tests.branched.making import GROUPS, translator
from tests.branched.test_commands import desk, run
from tests.specialization.making import texts

_ = desk  # a fixture
LANGUAGES = ("en", "de", "fr")
ALL = core_directions(LANGUAGES, LANGUAGES)


def config(**chosen: int) -> Any:
    found = BranchedSeq2Seq.from_model(translator(), GROUPS).config
    found.flows = {name.replace("_", "-"): flow for name, flow in chosen.items()}
    return found


def made() -> dict[tuple[Direction, int], tuple[str, ...]]:
    """Texts that each flow cuts otherwise, in every direction that it has."""
    corpus = texts(6)
    return {
        (direction, flow): tuple(
            text[: max(1, len(text) - (place + row) % 5 * flow)]
            for row, text in enumerate(corpus.texts[direction.target])
        )
        for place, direction in enumerate(ALL)
        for flow in (
            flow for flow in (4, 2, 1) if flow == 4 or {2: direction.source, 1: direction.target}[flow] != "en"
        )
    }


def scored(sets: Any = None, **chosen: int) -> FlowScores:
    return score_flows(made(), texts(6), "en", "chrf", Signature.of(x=1), config(**chosen), sets)


def test_core_means_are_those_of_the_releases_tables() -> None:
    cores = ("en", "fr")
    scores = scored(sets_of(ALL, cores, {}, "en"), **{f"{each.source}_{each.target}": 4 for each in ALL})
    values = {Direction.parse(name): score.value for name, score in scores.by_direction(BASE).items()}
    tables = {
        f"{word}_{core}": {each: value for each, value in values.items() if getattr(each, side) == core}
        for core in cores for word, side in (("from", "source"), ("to", "target"))
    }  # fmt: skip
    expected = core_means(tables, cores)
    found = {name: taken.value for name, (taken, *_) in scores.of_sets().items()}
    for core in cores:
        assert found[f"out of {core}"] == pytest.approx(expected.out_of[core])
        assert found[f"into {core}"] == pytest.approx(expected.into[core])
    assert found["out of all cores"] == pytest.approx(expected.mean_out_of)
    assert found["into all cores"] == pytest.approx(expected.mean_into)
    assert len(found) == 6
    assert found["out of en"] != pytest.approx(found["into en"])


def test_groups_by_resources_are_the_published_means_by_the_chosen_flows() -> None:
    resources = {"high": ["de", "sw"], "low": ["fr"], "none": ["ha"]}
    sets = sets_of(directions_of(LANGUAGES), (), resources, "en")
    assert sets == {
        "high: out of en": ("en-de",), "high: into en": ("de-en",), "low: out of en": ("en-fr",),
        "low: into en": ("fr-en",),
    }  # fmt: skip
    scores = scored(sets, en_de=1, de_en=4, en_fr=1, fr_en=2)
    by_flow = {flow: scores.by_direction(flow) for flow in scores.counts}
    chosen = {Direction.parse(name): by_flow[flow][name].value for name, flow in scores.chosen.items()}
    published = means_by_group(chosen, resources)
    for name, (taken, base, change) in scores.of_sets().items():
        group, _, side = name.partition(": ")
        assert taken.value == pytest.approx(published[group]["en2x" if side == "out of en" else "x2en"])
        (direction,) = sets[name]
        assert base == by_flow[BASE][direction]
        assert change.value == pytest.approx(taken.value - base.value)
    assert scores.of_sets()["high: into en"][2].value == 0
    assert scores.of_sets()["low: into en"][2].value != 0
    page = Report([scores], title="x").to_html()
    assert "by core language and resources" in page


def test_sets_of_what_was_not_translated_are_refused() -> None:
    for sets in ({"a": ()}, {"a": ("en-sw",)}, {"a": ("de-fr",)}):
        with pytest.raises(ConfigError, match="The set 'a'"):
            scored(sets, de_fr=8)


def test_every_direction_is_translated_by_the_flow_that_is_chosen_too() -> None:
    known = config(en_de=5)
    flows = flows_in(known, [Direction("en", "de"), Direction("de", "en")])
    assert set(flows[Direction("en", "de")]) == {1, 4, 5}
    assert set(flows[Direction("de", "en")]) == {2, 4}
    with pytest.raises(ConfigError, match="Expected each once"):
        flows_in(known, [Direction("en", "de"), Direction("en", "de")])
    known.encoders = [name for name in known.encoders or () if name != "main"]
    with pytest.raises(ConfigError, match="no encoder for 'en'"):
        flows_in(known, [Direction("en", "de")])


def test_core_directions() -> None:
    found = core_directions(("en", "de", "fr", "sw"), ("de", "en"))
    assert len(found) == len(set(found)) == 10
    assert {str(each) for each in found} == {
        "de-en", "de-fr", "de-sw", "en-de", "en-fr", "en-sw", "fr-de", "sw-de", "fr-en", "sw-en",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="'it' is not there"):
        core_directions(("en", "de"), ("it",))


ENGLISH = "The children are playing in the garden of the old house."
GERMAN = "Die Kinder spielen heute im Garten des alten Hauses."


def test_off_target_rates_are_shares_of_texts_in_another_language() -> None:
    pytest.importorskip("lingua")
    into, out_of = Direction("de", "en"), Direction("en", "de")
    found = {
        (into, 4): (ENGLISH, GERMAN, GERMAN, ENGLISH), (into, 2): (ENGLISH, ENGLISH, GERMAN, ""),
        (out_of, 4): (GERMAN, GERMAN, GERMAN, GERMAN),
    }  # fmt: skip
    rates = off_target(found, ["en", "de"], "en", Signature.of(x=1), config(), {"all": ("de-en",)})
    into_scores = rates.scores("x2en")
    assert {flow: score.value for flow, score in into_scores.items()} == {BASE: 50, "Enc-Flow": 50}
    (expected,) = share_means(torch.tensor([[0], [1], [1], [0]]))
    assert (into_scores[BASE].low, into_scores[BASE].high) == pytest.approx((100 * expected.low, 100 * expected.high))
    none = rates.scores("en2x")[BASE]
    assert none.value == 0
    assert 0 < none.high < 100  # four texts do not tell that it never happens
    assert rates.of_sets()["all"][0].value == 50
    assert rates.differences("x2en")["Enc-Flow"].value == 0
    assert rates.signature["identified_among"] == "en,de"
    page = Report([rates], title="x").to_html()
    assert "Translations in another language" in page
    assert "further left is better" in page
    with pytest.raises(ConfigError, match="a candidate"):
        off_target(found, ["en", "fr"], "en", Signature(), config())


def test_several_answers_a_row_are_not_as_many_rows() -> None:
    """Two directions whose answers are right in the same rows are worth one, others more; intervals are of answers."""
    wrong = torch.tensor([[1.0, 1.0]] * 3 + [[0.0, 1.0]] * 7)

    def rates(names: tuple[str, ...], *columns: torch.Tensor) -> Score:
        counts = {BASE: dict(zip(names, columns, strict=True)) if columns else dict.fromkeys(names, wrong)}
        kinds = dict.fromkeys(names, "en2x")
        return FlowScores(
            "off-target", "percent", mean_percent, kinds, counts, BASE, Signature(), (0.0, 100.0), right_or_wrong=True
        ).scores("en2x")[BASE]

    one, two = rates(("en-de",)), rates(("en-de", "en-fr"))
    assert one.value == two.value == 30
    (expected,) = share_means(torch.tensor([[1]] * 3 + [[0]] * 7))
    assert (one.low, one.high) == pytest.approx((100 * expected.low, 100 * expected.high))
    assert two.high - two.low > 0.8 * (one.high - one.low)
    apart = rates(("en-de", "en-fr"), wrong, wrong.flip(0))  # no row has both answers wrong
    (expected,) = share_means((wrong + wrong.flip(0))[:, :1].double() / 2, cells=2)
    assert (apart.low, apart.high) == pytest.approx((100 * expected.low, 100 * expected.high))
    assert apart.high - apart.low < 0.9 * (one.high - one.low)


def test_metrics_of_right_answers_have_the_intervals_of_answers() -> None:
    corpus = Corpus("x", ("a", "b"), {"en": ("one", "two"), "de": ("eins", "zwei")})
    direction = Direction("de", "en")
    scores = score_flows({(direction, 4): ("one", "two")}, corpus, "en", "accuracy", Signature(), config())
    score = scores.scores("x2en")[BASE]
    assert score.value == 100
    assert score.low < 100


def test_a_metric_reads_the_language_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, choose = [], lego.choose_metrics

    def noted(names: Any, options: Any) -> Any:
        asked.append(options.language)
        return choose(names, options)

    monkeypatch.setattr(lego, "choose_metrics", noted)
    corpus = Corpus("x", ("a", "b"), {"en": ("one", "two"), "de": ("eins", "zwei"), "fr": ("un", "deux")})
    found = {(Direction(*pair), 4): ("x", "y") for pair in (("en", "de"), ("de", "fr"), ("en", "fr"))}
    score_flows(found, corpus, "en", "f1", Signature(), config())
    assert sorted(asked) == ["de", "fr"]


def test_the_command_gives_all_of_it(desk: Path) -> None:
    pytest.importorskip("lingua")
    Path("resources.json").write_text('{"high": ["deu_Latn"], "low": ["fr", "sw"]}')
    asked = {
        "cores": ["en"], "resources": "resources.json", "candidates": ["en", "de", "fr"], "max_new_tokens": 3,
        "beams": 1, "metric": "chrf", "limit": 4,
    }  # fmt: skip
    out = run("lego evaluate", "scored", **asked)
    report = json.loads((out / "report.json").read_text())
    keys = [section["key"] for section in report["sections"]]
    assert keys[:2] == ["flows", "off-target"]
    for section in report["sections"][:2]:
        table = next(table for table in section["tables"] if table["key"].endswith("-by-set"))
        assert [row[0] for row in table["rows"]] == [
            "out of en", "into en", "high: out of en", "high: into en", "low: out of en", "low: into en",
        ]  # fmt: skip
    lines = [json.loads(line) for line in (out / "translations.jsonl").read_text().splitlines()]
    assert {line["direction"] for line in lines} == {"en-de", "en-fr", "de-en", "fr-en"}
    Path("other.json").write_text('{"high": ["it"]}')
    refused: list[dict[str, Any]] = [{"cores": ["it"]}, {"resources": "other.json"}, {"candidates": ["en", "de"]}]
    for changed in refused:
        with pytest.raises(ConfigError):
            run("lego evaluate", "refused", **{**asked, **changed})
    Path("resources.json").write_text('{"high": ["qqq"]}')
    with pytest.raises(ConfigError, match="'qqq', which is no language"):
        run("lego evaluate", "refused", **asked)
    with pytest.raises(ArtifactError):
        run("lego evaluate", "refused", **{**asked, "resources": "missing.json"})
    assert not Path("refused").exists()


def test_on_a_phone_long_names_of_flows_leave_room_for_that_of_the_axis() -> None:
    """Beside short names it stands in one line, as it is; beside long ones in lines that the axis has room for."""
    translated = made()
    few = score_flows(translated, texts(6), "en", "chrf", Signature.of(x=1), config())
    past = [
        direction for direction, flow in translated if flow == 4 and "en" not in (direction.source, direction.target)
    ]
    both = translated | {(direction, 15): translated[direction, 4] for direction in past}
    many = score_flows(both, texts(6), "en", "chrf", Signature.of(x=1), config())
    short, long = (section_of(each).figures[0].plots[0].spec.narrow for each in (few, many))
    assert "xaxis" not in short
    assert "past: Dec+Enc+Mix+unseen" in long["yaxis"]["ticktext"]
    lines = long["xaxis"]["title"]["text"].split("<br>")
    assert " ".join(lines) == f"{many.metric}, {many.unit}"
    assert max(map(len, lines)) <= 42 - len("past: Dec+Enc+Mix+unseen")
    assert long["margin"]["b"] == 64
