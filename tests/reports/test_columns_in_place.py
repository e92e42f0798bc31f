"""Own, other and random stand in their own columns and maps: each has a number that the others cannot have."""

import re
from dataclasses import replace

import pytest
import torch

from neuroglot.metrics import ExactAnswer
from neuroglot.metrics.intervals import Score
from neuroglot.metrics.metrics import BitsPerByte, Evaluation
from neuroglot.metrics.scoreboard import Scoreboard
from neuroglot.reports.section import section_of, section_of_several
from neuroglot.reports.wording import NO_INTERVAL, bracketed, in_unit, multiple, number
from tests.metrics.test_scoreboard import uneven_board
from tests.reports import making

LANGUAGES = ("en", "de", "fr")


def test_the_summary_of_an_ablation_has_own_other_and_random_in_their_columns() -> None:
    matrix = making.loss_matrix(LANGUAGES, own=0.8, other=0.2, control=0.05)
    table = section_of(matrix).summary
    assert table is not None
    assert [column.name for column in table.columns[2:]] == ["its own off", "another's off", "random off"]
    for index, row in enumerate(table.rows):
        own = matrix.effects()[index][index].value
        others = [matrix.effects()[other][index].value for other in range(3) if other != index]
        assert str(row[2]).startswith(number(own))
        assert row[3] == number(sum(others) / 2)
        assert row[4] == number(matrix.random_effects()[index][index].value)


def test_the_first_heat_map_is_of_the_sets_and_the_second_of_their_controls() -> None:
    matrix = making.loss_matrix(LANGUAGES, own=0.8, other=0.2, control=0.05)
    figure = next(figure for figure in section_of(matrix).figures if figure.key == "ablation-matrix")
    maps = [trace for trace in figure.plots[0].spec.data if trace["type"] == "heatmap"]
    titles = [note["text"] for note in figure.plots[0].spec.layout["annotations"] if "neurons off" in note["text"]]
    assert ["row language" in titles[0], "random" in titles[1]] == [True, True]
    for drawn, scores in zip(maps, (matrix.effects(), matrix.random_effects()), strict=True):
        assert [[float(f"{score.value:.6g}") for score in row] for row in scores] == [list(row) for row in drawn["z"]]


def board() -> Scoreboard:
    return uneven_board({"good": (0.9, 0.2, 0.05), "weak": (0.06, 0.05, 0.05)})


def test_the_scoreboard_has_each_number_under_its_title() -> None:
    made = board()
    section = section_of(made)
    (table,) = section.all_tables()
    names = [column.name for column in table.columns]
    for standing, row in zip(made.standings(), table.rows, strict=True):
        cells = dict(zip(names, row, strict=True))
        assert cells["selector"] == standing.selector
        for title, score in (
            ("its own neurons off", standing.own), ("another language's off (mean)", standing.other),
            ("as many random ones off (mean)", standing.random), ("own less other", standing.selectivity),
            ("own less random", standing.beyond_random), ("rank", standing.rank),
        ):  # fmt: skip
            expected = (score.value, score.low, score.high)
            assert [cells[name] for name in (title, f"{title}, low", f"{title}, high")] == [
                float(f"{end:.6g}") for end in expected
            ]
        assert cells["p beyond random, Holm over 2"] == float(f"{standing.p:.6g}")
    assert section.summary is not None
    assert [column.name for column in section.summary.columns] == [
        "rank", "selector", "own", "other", "random", "own less other",
    ]  # fmt: skip
    first = made.standings()[0]
    assert section.summary.rows[0][2:5] == tuple(number(s.value) for s in (first.own, first.other, first.random))


def test_no_more_harm_than_random_is_said_of_all_that_are_not_shown_to_do_it() -> None:
    made = board()
    weak = next(one for one in made.standings() if one.selector == "weak")
    assert weak.beyond_random.value > 0
    assert not weak.more_than_random
    sentence = section_of(made).sentence
    assert re.search(r"Not shown to do more harm than random neurons: weak\.$", sentence)


def test_what_has_no_interval_says_so() -> None:
    nothing = float("nan")
    assert bracketed(Score(1.0, nothing, nothing)) == NO_INTERVAL
    assert bracketed(Score(1.0, 0.5, float("inf"))) == "[0.500, unbounded]"


def rounded(value: float) -> float:
    return float(f"{value:.6g}")


def test_a_row_of_the_matrix_is_of_the_language_whose_neurons_are_off() -> None:
    matrix = making.loss_matrix(LANGUAGES, own=0.8, other=0.2, control=0.05)
    table = next(table for table in section_of(matrix).all_tables() if table.key.startswith("ablation-matrix"))
    names = [column.name for column in table.columns]
    effects, random = matrix.effects(), matrix.random_effects()
    cells = [dict(zip(names, row, strict=True)) for row in table.rows]
    assert {(row["neurons off"], row["measured on"]): (row["effect"], row["random"]) for row in cells} == {
        (off, on): (rounded(effects[s][g].value), rounded(random[s][g].value))
        for s, off in enumerate(LANGUAGES)
        for g, on in enumerate(LANGUAGES)
    }


def test_ratios_and_other_units_are_of_the_condition_that_they_name() -> None:
    matrix = making.loss_matrix(LANGUAGES, own=0.8, other=0.2, control=0.05)
    section, means = section_of(matrix), matrix.headline()
    assert section.headline is not None
    for name in ("diagonal_over_off_diagonal", "diagonal_over_random"):
        assert section.headline[name] == getattr(means, name).to_json()
    for name in ("diagonal", "off_diagonal", "random"):
        assert section.headline[name] == getattr(means, name).value
    notes = {one.role: one.remark for one in section.key_numbers}
    assert notes["other"].startswith(f"own is {multiple(means.diagonal_over_off_diagonal.value)} ×")
    assert notes["random"].startswith(f"own is {multiple(means.diagonal_over_random.value)} ×")
    (remark,) = [remark for remark in section.remarks if remark.startswith("In bits")]
    bits = replace(matrix, metric=BitsPerByte()).headline()
    for score, what in (
        (bits.diagonal, "its own neurons"), (bits.off_diagonal, "another language's"), (bits.random, "random ones"),
    ):  # fmt: skip
        assert f"{in_unit(score, BitsPerByte())} for {what}" in remark


def test_an_activity_has_rates_and_silent_neurons_in_their_columns() -> None:
    activity = making.activity(LANGUAGES)
    (table,) = section_of(activity).tables
    names = [column.name for column in table.columns]
    for place, row in enumerate(table.rows):
        cells = dict(zip(names, row, strict=True))
        fired, tokens = activity.fired[0, place].double(), int(activity.tokens[place])
        assert cells["language"] == LANGUAGES[place]
        assert cells["tokens"] == tokens
        assert cells["mean firing rate"] == pytest.approx(float(fired.mean()) / tokens, rel=1e-4)
        assert cells["never fire"] == pytest.approx(float((fired == 0).double().mean()), rel=1e-4)


def test_an_evaluation_says_which_way_is_better_and_names_the_ends() -> None:
    loss = making.evaluation(LANGUAGES)
    right = Evaluation("sums", LANGUAGES, ExactAnswer(), making.accuracy_matrix(LANGUAGES).baseline, making.SIGNATURE)
    assert "further left is better" in section_of(loss).figures[0].caption
    assert "further right is better" in section_of(right).figures[0].caption
    low = replace(right, data="dates", counts=right.counts * torch.tensor([0.5, 1.0], dtype=torch.float64))
    sentence = section_of_several(right, (right, low)).sentence
    means = {one.data: number(one.mean.value) for one in (right, low)}
    assert f"between {means['dates']} (dates) and {means['sums']} (sums)" in sentence
