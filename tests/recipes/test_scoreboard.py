"""The scoreboard end to end on tiny models, and its command beside `ablate`."""

import json
from pathlib import Path

import pytest
import torch

from neuroglot import ablation_matrix
from neuroglot.corpora.seen import text_hashes
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.experiments.scoreboard import RANKABLE, compare_selectors, gather, over_models
from neuroglot.metrics import NatsPerToken
from neuroglot.models import view
from neuroglot.neurons import SELECTORS, at_random
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus(16)
TOKENIZER = tiny_tokenizer()


def some_rows() -> tuple:
    return CORPUS.take(range(10)), CORPUS.take(range(10, 16))


def a_board(model_type: str, **options):
    return compare_selectors(view(tiny_model(model_type)), TOKENIZER, *some_rows(), draws=1, **options)


def test_every_selector_of_a_size_is_ranked_and_none_is_forgotten() -> None:
    located = view(tiny_model("llama"))
    board = compare_selectors(located, TOKENIZER, *some_rows(), count=5, draws=2)
    assert set(RANKABLE) == set(SELECTORS) - {"exclusive"}
    assert set(board.matrices) | set(board.refused) == set(RANKABLE)
    standings = board.standings()
    assert sorted(one.selector for one in standings) == sorted(board.matrices)
    assert len(standings) >= 10
    for one in standings:
        assert 0 <= one.sizes[0] <= one.sizes[1] <= 5
    evidence = gather(located, TOKENIZER, some_rows()[0], ("counts",))
    sets = at_random(evidence.activity, count=5, seed=0)
    alone = ablation_matrix(located, TOKENIZER, some_rows()[1], sets, NatsPerToken(), draws=2, seed=0, rule="random")
    torch.testing.assert_close(board.matrices["random"][0].ablated, alone.ablated)
    assert abs(board.matrices["random"][0].headline().random.value - alone.headline().random.value) < 1e-6


def test_models_are_joined_where_they_can_be_compared() -> None:
    boards = [
        compare_selectors(
            view(tiny_model(kind)), TOKENIZER, *some_rows(), count=3, draws=1, selectors=("random", "probe")
        )
        for kind in ("llama", "gpt2")
    ]
    joined = over_models(boards)
    assert joined.models == (boards[0].models[0], boards[1].models[0])
    for one in joined.standings():
        apart = [
            standing.selectivity.value
            for board in boards
            for standing in board.standings()
            if standing.selector == one.selector
        ]
        assert one.by_model == tuple(apart)
        assert abs(one.selectivity.value - sum(apart) / 2) < 1e-9
    other = a_board("llama", count=4, selectors=("random",))
    with pytest.raises(ConfigError, match="3 and 4 neurons"):
        over_models([boards[0], other])


def test_bad_names_and_numbers_are_refused() -> None:
    located = view(tiny_model("llama"))
    with pytest.raises(ConfigError, match="takes no number of neurons"):
        compare_selectors(located, TOKENIZER, *some_rows(), count=5, selectors=("exclusive",))
    with pytest.raises(ConfigError, match="There is no selector"):
        compare_selectors(located, TOKENIZER, *some_rows(), count=5, selectors=("lap",))
    with pytest.raises(ConfigError, match="Every selector refused"):
        compare_selectors(located, TOKENIZER, *some_rows(), count=10**6, selectors=("random", "entropy"))


def test_the_command_writes_a_report_of_several_models(run, capsys: pytest.CaptureFixture[str]) -> None:
    run("scoreboard", "model", "model", "--corpus", "texts", "--count", "4", "--selectors", "random", "entropy",
        "--random-draws", "2", "--out", "run", "--device", "cpu")  # fmt: skip
    printed = capsys.readouterr().out
    assert "entropy" in printed
    assert "own less other" in printed
    report = json.loads(Path("run/report.json").read_text())
    (section,) = report["sections"]
    assert section["key"] == "scoreboard"
    assert len(section["tables"][0]["rows"]) == 2
    assert json.loads(Path("run/recipe.json").read_text())["models"] == ["model", "model"]
    with pytest.raises(ArtifactError, match="run"):
        run("scoreboard", "model", "--corpus", "texts", "--count", "4", "--out", "run")


def test_selected_neurons_are_switched_off(run, capsys: pytest.CaptureFixture[str]) -> None:
    on_texts = ("model", "--corpus", "texts", "--device", "cpu")
    run("select", *on_texts, "--part", "selection", "--selector", "gradient", "--count", "6", "--out", "sets")
    with pytest.raises(CorpusError, match="Select on one part and judge on the other"):
        run("ablate", *on_texts, "--neurons", "sets", "--out", "no")
    run(
        "ablate",
        *on_texts,
        "--part",
        "rest",
        "--neurons",
        "sets",
        "--limit",
        "5",
        "--random-draws",
        "2",
        "--out",
        "off",
    )
    assert "Report: off/report.html" in capsys.readouterr().out
    report = json.loads(Path("off/report.json").read_text())
    assert report["headline"]["rows"] == 5
    assert "Not a proof" not in report["sections"][0]["sentence"]
    run("ablate", *on_texts, "--neurons", "sets", "--same-rows", "allow", "--random-draws", "2", "--out", "same")
    same = json.loads(Path("same/report.json").read_text())["sections"][0]["sentence"]
    assert same.startswith("Not a proof: the neurons were selected on ")
    assert report["headline"]["languages"] == ["de", "sw", "zh"]
    with pytest.raises(ConfigError, match="holds no neuron set of fr"):
        run("ablate", "model", "--corpus", "texts", "--neurons", "sets", "--languages", "fr", "--out", "no")
    with pytest.raises(ConfigError, match="holds no neuron set of any language"):
        run("ablate", "model", "--corpus", "texts", "--neurons", "texts", "--out", "no")
    with pytest.raises(ConfigError, match="limit"):
        run("ablate", "model", "--corpus", "texts", "--neurons", "sets", "--limit", "0", "--out", "no")
    assert not Path("no").exists()


def test_seed_rule_and_rows_reach_the_sets_and_their_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    located, (selection, held_out) = view(tiny_model("llama")), some_rows()
    handed: list[tuple] = []

    def noting(view, tokenizer, data, sets, metric, **options):
        handed.append((data.ids, sets, options))
        return ablation_matrix(view, tokenizer, data, sets, metric, **options)

    monkeypatch.setattr("neuroglot.experiments.scoreboard.ablation_matrix", noting)
    compare_selectors(
        located, TOKENIZER, selection, held_out, count=5, draws=2, seed=3, selectors=("random", "magnitude")
    )
    evidence = gather(located, TOKENIZER, selection, ("counts",))
    expected = at_random(evidence.activity, count=5, seed=3)
    assert {g: one.members.tolist() for g, one in handed[0][1].items()} == {
        g: one.members.tolist() for g, one in expected.items()
    }
    for rule, (ids, sets, options) in zip(("random", "magnitude"), handed, strict=True):
        assert ids == held_out.ids
        assert (options["rule"], options["seed"], options["draws"], options["random_on"]) == (rule, 3, 2, "own")
        assert all(one.read.tolist() == sorted(text_hashes(selection)) for one in sets.values())


def test_a_selector_has_its_papers_name_too() -> None:
    located = view(tiny_model("llama"))
    board = compare_selectors(located, TOKENIZER, *some_rows(), count=5, draws=1, selectors=("lape",))
    assert list(board.matrices) == ["entropy"]
