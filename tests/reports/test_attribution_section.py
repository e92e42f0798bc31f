"""The section on attribution: its sentence, figures and tables say what the object holds."""

import json
import math

import plotly.graph_objects as go
import pytest
import torch

from neuroglot.activity.recording import Recording
from neuroglot.attribution.attribution import EXTREMES, SUMS, Attribution
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.reports.html import page
from neuroglot.reports.parts import Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Table
from neuroglot.reports.terminal import plain_text
from tests.reports.making import SIGNATURE, TEN, layout_of, random

WIDTH, TOP_SHARE = 24, 0.25


def attribution(
    languages: tuple[str, ...] = TEN[:3], layers: int = 4, rows: int = 12, shared: float = 3.0,
    collisions: dict[str, int] | None = None, dropped: dict[str, int] | None = None, contrastive: bool = False,
) -> Attribution:  # fmt: skip
    """Random groups; all-shared neurons are `shared` times as likely to be among the top."""
    shape = rows, len(languages), layers
    groups = torch.multinomial(torch.tensor([2.0, 2, 1, 1, 2, 3]), WIDTH * math.prod(shape), True, generator=random(1))
    one_hot = torch.nn.functional.one_hot(groups.reshape(*shape, WIDTH), 6)
    weight = torch.tensor([shared, 1, 1, 1, 1, 1])[groups].reshape(-1, WIDTH)
    chosen = torch.multinomial(weight, round(TOP_SHARE * WIDTH), generator=random(2))
    top = torch.zeros(len(weight), WIDTH, dtype=torch.bool).scatter_(1, chosen, True).reshape(*shape, WIDTH)
    values = {name: torch.rand(*shape, 6, generator=random(3)) for name in (*SUMS, *EXTREMES)}
    values["top"] = (one_hot * top[..., None]).sum(-2).int()
    return Attribution(
        layout_of(layers, WIDTH), languages, "mlama", Recording.sharing_matters(), TOP_SHARE, False, contrastive,
        one_hot.sum(-2).int(), values, dropped or {}, collisions or {},
        {code: 1 + (place > 0) * 5 for place, code in enumerate(languages)}, SIGNATURE,
    )  # fmt: skip


def table_named(section: Section, key: str) -> Table:
    (table,) = [table for table in section.all_tables() if table.key == key]
    return table


def test_the_sentence_is_computed() -> None:
    found = attribution()
    neurons, top, ratio = found.concentration()["all-shared"]
    sentence = section_of(found).sentence
    assert "12 parallel prompts of mlama, neurons that fire in all 3 languages" in sentence
    for part in (f"{100 * neurons.value:.1f}%", f"{100 * top.value:.1f}%", f"{ratio.value:.1f} times", "25.0%"):
        assert part in sentence
    assert "includes 1" not in sentence
    assert "only" in section_of(attribution(shared=0.2)).sentence
    assert "an interval that includes 1" in section_of(attribution(shared=1.0, rows=3)).sentence


def test_no_shared_neuron_is_said() -> None:
    found = attribution()
    sizes, top = found.sizes.clone(), found.values["top"].clone()
    for counts in (sizes, top):
        counts[..., 5] += counts[..., 0]
        counts[..., 0] = 0
    values = {**found.values, "top": top}
    none = Attribution(
        found.layout, found.languages, found.data, found.recording, TOP_SHARE, False, False, sizes, values, {}, {},
        found.first_tokens, SIGNATURE,
    )  # fmt: skip
    section = section_of(none)
    assert section.sentence.endswith("no neuron fires in all 3 languages.")
    assert "–" in plain_text("t", (), [section])
    assert page("t", (), [section])


@pytest.mark.parametrize("languages", [TEN[:2], TEN])
def test_figures_are_valid_and_there_is_a_panel_for_every_language_and_layer(languages: tuple[str, ...]) -> None:
    section = section_of(attribution(languages))
    assert len(section.figures) == 4
    assert len(section.choices) == 2
    for figure in section.figures:
        for plot, categories in zip(figure.plots, (4, 3), strict=True):
            go.Figure({"data": plot.spec.data, "layout": plot.spec.layout})
            go.Figure({"layout": plot.spec.narrow})
            assert len(plot.spec.data) == len(languages) * categories
            assert all(trace["x"] == [f"layer {layer}" for layer in range(4)] for trace in plot.spec.data)
            assert len({json.dumps(plot.spec.layout[key]["domain"]) for key in plot.spec.layout if "yaxis" in key}) == (
                math.ceil(len(languages) / 5)
            )
            assert len(plot.table.rows) == len(languages) * 4 * categories


def test_tables_hold_the_means_over_rows() -> None:
    found = attribution()
    section = section_of(found)
    expected = {
        "contribution-ratio-any": found.top_shares(),
        "mean-contribution-any": found.statistic("contribution", "mean"),
        "summed-contribution-any": found.statistic("contribution", "sum"),
        "effective-score-any": found.statistic("effective", "max"),
    }
    for key, values in expected.items():
        table = table_named(section, key)
        means = values.nanmean(0)
        for language, layer, kind, value, low, high in table.rows:
            at = found.languages.index(language), int(layer.split()[-1]), CATEGORIES.index(kind)
            assert value == pytest.approx(float(means[at]), rel=1e-5)
            assert low <= value <= high
    shares = [row[3] for row in table_named(section, "contribution-ratio-any").rows]
    assert sum(shares) == pytest.approx(3 * 4)
    assert {row[2] for row in table_named(section, "effective-score-active").rows} == set(CATEGORIES[:3])


def test_the_table_by_category_holds_all_intervals() -> None:
    found = attribution()
    table = table_named(section_of(found), "by-category")
    sums = found.statistic("contribution", "sum").nan_to_num().sum((0, 1, 2))
    effects = found.statistic("effective", "sum").nan_to_num().sum((0, 1, 2)) / (12 * 3)
    for place, row in enumerate(table.rows):
        scores = found.concentration()[CATEGORIES[place]]
        expected = [number for score in scores for number in (score.value, score.low, score.high)]
        assert row[0] == CATEGORIES[place]
        assert row[1:10] == pytest.approx(expected, rel=1e-5)
        assert row[10] == pytest.approx(float(sums[place] / sums.sum()), rel=1e-5)
        assert row[13] == pytest.approx(float(effects[place]), rel=1e-5)
        assert all(low <= value <= high for value, low, high in zip(row[1::3], row[2::3], row[3::3], strict=True))


def test_what_was_left_out_is_shown() -> None:
    section = section_of(
        attribution(dropped={"prompt and answer share a token": 2}, collisions={"en": 0, "de": 3, "fr": 0})
    )
    assert any("2 rows (prompt and answer share a token)" in remark for remark in section.remarks)
    assert any("same token in 3 rows in German (de)." in remark for remark in section.remarks)
    assert table_named(section, "rows-left-out").rows == (("prompt and answer share a token", 2),)
    assert ("de", 3) in table_named(section, "option-collisions").rows
    nothing = section_of(attribution(collisions={"en": 0, "de": 0, "fr": 0}))
    assert any(remark.startswith("No row was left out. No two options") for remark in nothing.remarks)
    assert [table.key for table in nothing.tables] == ["by-category", "option-collisions"]


def test_answers_that_begin_alike_are_named() -> None:
    remarks = " ".join(section_of(attribution()).remarks)
    assert "begin with 1 to 6 different tokens. In English (en) all answers begin with the same one" in remarks


def test_many_reasons_stand_in_the_table() -> None:
    section = section_of(attribution(dropped={f"reason {place}": 2 for place in range(5)}))
    assert any(
        "Left out in all languages: 10 rows, for 5 reasons in the table below." in one for one in section.remarks
    )
    assert len(table_named(section, "rows-left-out").rows) == 5


def test_the_target_is_named() -> None:
    assert any("less the mean row" in remark for remark in section_of(attribution(contrastive=True)).remarks)
    assert not any("less the mean row" in remark for remark in section_of(attribution()).remarks)


def test_the_page_and_the_text_render() -> None:
    section = section_of(attribution())
    html = page("A title", (), [section])
    assert "attribution--contribution-ratio" in html
    assert "all-shared" in plain_text("A title", (), [section])
    json.dumps(section.to_json(), allow_nan=False)
    assert section.signature == SIGNATURE
