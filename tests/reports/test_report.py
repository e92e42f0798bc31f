"""Report: what is accepted, what is saved, and what JSON and text hold."""

import ast
import csv
import io
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import plotly.graph_objects as go
import pytest
import torch
from rich.console import Console

from neuroglot.errors import ConfigError
from neuroglot.metrics.metrics import BitsPerByte
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.neurons.comparing import overlap_matrix
from neuroglot.reports import Report, sections
from neuroglot.reports.section import MADE_BEFORE, ORDER, section_of
from neuroglot.reports.sections.ablation import View
from neuroglot.reports.tables import Column, Table
from tests.reports import making

SECTION_KEYS = ["ablation", "task", "sharing", "neuron-sets", "neuron-set", "activity", "scores"]


def table_named(report: Report, section: str, key: str) -> Table:
    (found,) = [one for one in report.sections if one.key == section]
    (table,) = [table for table in found.all_tables() if table.key == key]
    return table


def finite_or_none(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(finite_or_none, value.values()))
    if isinstance(value, list):
        return all(map(finite_or_none, value))
    return not isinstance(value, float) or math.isfinite(value)


def test_every_kind_of_result_has_its_section_whatever_the_order() -> None:
    results = making.everything()
    for given in (results, results[::-1]):
        assert [section.key for section in Report(given).sections] == SECTION_KEYS


def test_a_single_result_needs_no_list() -> None:
    assert [section.key for section in Report(making.neuron_sets()).sections] == ["neuron-sets"]


def test_results_of_one_kind_get_numbered_keys() -> None:
    report = Report([making.accuracy_matrix(task="dates"), making.accuracy_matrix(task="sums")])
    assert [section.key for section in report.sections] == ["task", "task-2"]
    same = Report([making.activity(), making.activity(making.TEN[:2])])
    assert [section.key for section in same.sections] == ["activity", "activity-2"]
    assert same.sections[1].title == f"{same.sections[0].title} (2)"


@pytest.mark.parametrize("results", [[], "text", [1.0], {}, [{"de": 1}], [()], [(1, 2)]])
def test_anything_else_is_refused(results: object) -> None:
    with pytest.raises(ConfigError):
        Report(results)


def test_sections_are_registered_wherever_the_report_is_imported_from() -> None:
    program = (
        "from neuroglot.reports.report import Report; from neuroglot.reports.section import section_of; "
        "print(len(section_of.registry))"
    )
    counted = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert int(counted) == len(section_of.registry) >= 13


def test_sections_made_before_keep_their_order_between_the_others() -> None:
    made = [Report(making.activity()).sections[0], Report(making.loss_matrix()).sections[0]]
    report = Report([making.evaluation(), *made, making.accuracy_matrix()])
    assert [part.key for part in report.sections] == ["task", "activity", "ablation", "scores"]
    assert report.results[1:3] == tuple(made)


def test_a_refusal_lists_what_is_registered() -> None:
    registered = {kind.__name__ for kind in section_of.registry} - {"object", "tuple", "Mapping", "Section"}
    assert len(registered) >= 11
    with pytest.raises(ConfigError, match="given a tuple of Activity, Sharing") as raised:
        Report([(making.sharing(), making.activity())])
    assert all(name in str(raised.value) for name in registered)
    assert "a tuple of Evaluation or of Sharing" in str(raised.value)


def test_the_page_has_a_place_for_every_section() -> None:
    keys = set()
    texts = [path.read_text() for path in Path(sections.__file__).parent.glob("*.py")]
    for text in (text for text in texts if "@section_of" in text):  # others make a section that is given as a result
        for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", "") == "_levels_section":
                keys.add(ast.literal_eval(call.args[1]))
            if getattr(call.func, "id", "") == "Section":
                stated = [keyword.value for keyword in call.keywords if keyword.arg == "key"] or call.args[:1]
                if isinstance(stated[0], ast.Constant):
                    keys.add(ast.literal_eval(stated[0]))
                else:  # the result says its key: scores of flows, or shares of other languages
                    is_of_flows = isinstance(stated[0], ast.Attribute)
                    keys |= {"flows", "off-target"} if is_of_flows else {"sharing-thresholds"}
    assert keys <= set(ORDER)
    assert len(ORDER) == len(set(ORDER)) == len(keys | {"sharing-tasks", MADE_BEFORE})


def test_other_suffixes_are_refused_and_nothing_is_written(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"\.html, \.json, \.txt"):
        Report(making.evaluation()).save(tmp_path / "report.pdf")
    assert not list(tmp_path.iterdir())


def test_saved_files_hold_what_the_object_says(tmp_path) -> None:
    report = Report(making.everything(), title="A title", notes=["A note."])
    assert json.loads(report.save(tmp_path / "report.json").read_text()) == report.to_json()
    assert report.save(tmp_path / "report.html").read_text() == report.to_html()
    assert "A title\nA note." in report.save(tmp_path / "report.txt").read_text()


def test_json_has_the_documented_structure_and_no_nan() -> None:
    data = Report(making.everything(), title="A title").to_json()
    assert list(data) == ["schema_version", "title", "notes", "headline", "sections"]
    assert (data["schema_version"], data["title"]) == (1, "A title")
    assert finite_or_none(data)
    for section in data["sections"]:
        assert list(section) == ["key", "title", "sentence", "remarks", "tables", "signature"]
        assert section["sentence"].endswith(".")
        assert section["signature"]["model"] == "lab"
        for table in section["tables"]:
            assert list(table) == ["key", "title", "columns", "units", "rows"]
            assert len(table["columns"]) == len(table["units"]) == len(table["rows"][0])
            assert len({len(row) for row in table["rows"]}) == 1


def test_json_headline_is_the_matrix_headline() -> None:
    matrix = making.loss_matrix()
    headline, means = Report([matrix]).to_json()["headline"], matrix.headline()
    assert headline["languages"] == list(making.TEN)
    for name in ("diagonal", "off_diagonal", "random"):
        score = getattr(means, name)
        assert headline[name] == score.value
        assert headline["intervals"][name] == [score.low, score.high]
    for name in ("diagonal_over_off_diagonal", "diagonal_over_random"):
        assert headline[name] == getattr(means, name).to_json()
    assert (headline["unit"], headline["rows"]) == ("nats per token", 60)
    assert headline["signature"] == matrix.signature.to_json()


def test_without_a_loss_matrix_the_headline_is_null() -> None:
    in_bits = replace(making.loss_matrix(), metric=BitsPerByte())
    assert Report([making.accuracy_matrix(), making.evaluation()]).to_json()["headline"] is None
    assert Report([in_bits]).to_json()["headline"] is None


def test_the_same_counts_in_two_units_are_one_section() -> None:
    matrix = making.loss_matrix()
    report = Report([matrix, replace(matrix, metric=BitsPerByte())])
    assert [section.key for section in report.sections] == ["ablation"]
    assert report.sections[0].choices == ("nats per token", "bits per byte")
    assert report.headline is not None
    assert "In bits per byte" in report.sections[0].remarks[0]


def test_condition_scores_equal_the_effects_of_the_matrix() -> None:
    view = View(making.loss_matrix(making.TEN[:4]))
    harm = view.harm_by_language
    for place in range(4):
        others = [view.effects[s][place].value for s in range(4) if s != place]
        pairs = [
            (harm["own"][place], view.effects[place][place]),
            (harm["random"][place], view.random_effects[place][place]),
        ]
        for mine, expected in pairs:
            assert (mine.value, mine.low, mine.high) == pytest.approx((expected.value, expected.low, expected.high))
        assert harm["other"][place].value == pytest.approx(sum(others) / 3)


def test_one_language_alone_can_be_reported() -> None:
    report = Report(making.everything(("de",))[4:])
    assert report.to_html()
    assert finite_or_none(report.to_json())


def test_tables_hold_the_numbers_of_their_objects() -> None:
    sets, activity, sharing = making.neuron_sets(), making.activity(), making.sharing()
    report = Report([sets, activity, sharing])
    overlap = overlap_matrix(sets).flatten().tolist()
    shown = [row[2] for row in table_named(report, "neuron-sets", "set-overlap").rows]
    assert [math.nan if cell is None else cell for cell in shown] == pytest.approx(overlap, rel=1e-5, nan_ok=True)
    assert shown[-1] is None  # the last language has no neurons
    counts = [row[2] for row in table_named(report, "neuron-sets", "neurons-by-layer").rows]
    assert counts == [count for neurons in sets.values() for count in neurons.counts_by_layer()]
    rates = [row[2] for row in table_named(report, "activity", "firing-rates").rows]
    expected = activity.rates().reshape(len(making.TEN), 4, -1).mean(-1).flatten().tolist()
    assert rates == pytest.approx(expected, rel=1e-5)
    by_category = torch.tensor([row[2] for row in table_named(report, "sharing", "sharing-by-layer").rows])
    torch.testing.assert_close(by_category.reshape(-1, len(CATEGORIES)).sum(1), torch.ones(4))


def test_csv_is_the_table_and_runs_no_formula() -> None:
    columns = (Column("language"), Column("effect", "nats per token"))
    rows = [("de", 0.1234567891), ("=1+1", None), ('a "b", c', math.nan)]
    table = Table.of("key", "Title", columns, rows)
    read = list(csv.reader(io.StringIO(table.to_csv())))
    assert read == [["language", "effect (nats per token)"], ["de", "0.123457"], ["'=1+1", ""], ['a "b", c', ""]]


def test_every_figure_is_valid_plotly() -> None:
    results = [*making.everything(making.TEN[:3], 3), making.activity(fires=(0.0, 1.0))]
    plots = [plot for section in Report(results).sections for figure in section.figures for plot in figure.plots]
    assert len(plots) == 18
    for plot in plots:
        go.Figure({"data": plot.spec.data, "layout": plot.spec.layout})
        go.Figure({"layout": plot.spec.narrow})


def test_text_is_short() -> None:
    report = Report(
        [making.loss_matrix(), making.accuracy_matrix(), making.sharing(), making.neuron_sets(), making.activity()]
    )
    text = io.StringIO()
    report.print(Console(file=text, width=100))
    lines = text.getvalue().splitlines()
    assert len(lines) <= 42
    assert sum("(de)" in line for line in lines) >= 1
    assert any(line.startswith("all-shared") for line in lines)


def test_evaluations_are_shown_together() -> None:
    first = making.evaluation()
    second = replace(first, data="other", counts=first.counts.roll(1, dims=1))
    (section,) = Report([(first, second)]).sections
    (table,) = list(section.all_tables())
    expected = [(one.data, code, one.scores[code].value) for one in (first, second) for code in one.languages]
    for row, (data, code, value) in zip(table.rows, expected, strict=True):
        assert row[:2] == (data, code)
        assert row[2] == pytest.approx(value, rel=1e-5)
    with pytest.raises(ConfigError, match="several metrics or languages"):
        Report([(first, replace(first, languages=first.languages[::-1]))]).to_json()


def test_markup_in_names_is_printed_as_it_is() -> None:
    report = Report(making.loss_matrix(corpus="[red]corpus[/red]"), title="[bold]title")
    text = io.StringIO()
    report.print(Console(file=text, width=200))
    assert "[red]corpus[/red]" in text.getvalue()
    assert "[bold]title" in text.getvalue()
