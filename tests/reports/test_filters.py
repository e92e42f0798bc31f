"""Filters by language and layer: they act on every figure and table, by hand and by keyboard, and can be undone."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from neuroglot.reports import Report
from neuroglot.reports.wording import filterable
from tests.reports import making
from tests.reports.browsing import drawn, needs_browser, opened, scrolled_through
from tests.reports.test_attribution_section import attribution

CHOSEN = ("de", "sw")
LANGUAGES = {"de": "German (de)", "sw": "Swahili (sw)"}


def choose(page: Page, *codes: str) -> None:
    if not page.locator(".filters details").evaluate("(details) => details.open"):
        page.click(".filters summary")
    for code in codes:
        page.click(f"label:has([name=language][value={code}])")
    page.wait_for_selector("html[data-drawn=yes]")


def choose_layers(page: Page, first: int, last: int) -> None:
    page.locator("[name=first]").evaluate("(box, at) => { box.value = at }", first)
    page.locator("[name=last]").evaluate(
        "(box, at) => { box.value = at; box.dispatchEvent(new Event('change', {bubbles: true})) }", last
    )


def traces(page: Page, figure: str) -> list[dict]:
    """What plotly was given for a figure."""
    plot = page.locator(f"[data-figure={figure}] .plot")
    plot.evaluate("(plot) => plot.scrollIntoView({behavior: 'instant'})")
    plot.locator("svg.main-svg").first.wait_for(state="attached")
    page.wait_for_selector("html[data-drawn=yes]")
    return plot.evaluate("(plot) => plot.data")


def test_names_come_once_from_all_kinds_of_results() -> None:
    found = filterable([*making.everything(making.TEN, 3), (making.sharing(("xx-yy", "de"), 5),)])
    assert [code for code, _ in found["languages"]] == [*making.TEN, "xx-yy"]
    assert dict(found["languages"])["de"] == "German (de)"
    assert found["layers"] == [(str(place), f"layer {place}") for place in range(5)]
    assert filterable([]) == {"languages": [], "layers": []}


@needs_browser
def test_a_heat_map_keeps_the_cells_of_chosen_languages(browser: Browser, report: Report, saved: Path) -> None:
    page = opened(browser, saved).page
    every = traces(page, "ablation--ablation-matrix")[0]
    choose(page, *CHOSEN)
    some = traces(page, "ablation--ablation-matrix")[0]
    places = [making.TEN.index(code) for code in CHOSEN]
    assert some["x"] == some["y"] == list(LANGUAGES.values())
    assert some["z"] == [[every["z"][row][column] for column in places] for row in places]
    assert some["customdata"] == [[every["customdata"][row][column] for column in places] for row in places]
    outlined = page.locator("[data-figure=ablation--ablation-matrix] .plot").evaluate("(plot) => plot.layout.shapes")
    assert [(shape["x0"], shape["y0"]) for shape in outlined] == [(-0.5, -0.5), (0.5, 0.5)] * 2
    page.close()


@needs_browser
def test_dots_and_their_intervals_move_together(browser: Browser, report: Report, saved: Path) -> None:
    page = opened(browser, saved).page
    every = traces(page, "ablation--ablation-by-language")
    choose(page, *CHOSEN)
    some = traces(page, "ablation--ablation-by-language")
    places = [making.TEN.index(code) for code in CHOSEN]
    for before, after in zip(every, some, strict=True):
        assert after["x"] == [before["x"][place] for place in places]
        assert after["error_x"]["array"] == [before["error_x"]["array"][place] for place in places]
        assert [round(place) for place in after["y"]] == [0, 1]
        assert after["y"][0] - 0 == before["y"][places[0]] - places[0]
    names = page.locator("[data-figure=ablation--ablation-by-language] .ytick text").all_text_contents()
    assert set(names) == set(LANGUAGES.values())
    page.close()


@needs_browser
def test_lines_keep_the_chosen_layers_and_tables_follow(browser: Browser, saved: Path) -> None:
    page = opened(browser, saved).page
    every = traces(page, "sharing--sharing-by-layer")[0]
    choose(page)
    choose_layers(page, 1, 2)
    some = traces(page, "sharing--sharing-by-layer")[0]
    assert (some["x"], some["y"]) == (["layer 1", "layer 2"], every["y"][1:3])
    card = page.locator("[data-figure=sharing--sharing-by-layer]")
    card.locator("details.table summary").click()
    card.locator("tbody tr").first.wait_for()  # rows are made when the table opens
    layers = card.locator("tbody td:nth-child(1)").all_inner_texts()
    assert set(layers) == {"layer 1", "layer 2"}
    assert page.locator(".filters .shown").inner_text() == "all languages; layer 1 to layer 2"
    with page.expect_download() as download:
        card.locator("[data-download=csv]").click()
    rows = list(csv.reader(Path(download.value.path()).read_text().splitlines()))[1:]
    assert {row[0] for row in rows} == {"layer 1", "layer 2"}
    page.close()


@needs_browser
def test_every_figure_and_table_follows_and_show_all_undoes_it(browser: Browser, report: Report, saved: Path) -> None:
    seen = opened(browser, saved)
    page = seen.page
    choose(page, *CHOSEN)
    scrolled_through(page)
    assert drawn(page) == page.locator("figure").count()
    others = {label for code, label in filterable(report.results)["languages"] if code not in CHOSEN}
    ticks = set(page.locator("figure:not([data-figure$=language-tree]) .ytick text").all_text_contents())
    assert not ticks & others
    assert ticks & set(LANGUAGES.values())
    standing = page.locator("[data-table=activity--activity-by-language] tbody td:nth-child(1)")
    assert standing.all_inner_texts() == list(CHOSEN)
    page.click(".filters button[type=reset]")
    page.locator(".filters .shown", has_text="all languages").wait_for()
    assert standing.all_inner_texts() == list(making.TEN)
    assert len(traces(page, "ablation--ablation-matrix")[0]["x"]) == len(making.TEN)
    assert seen.console == []
    page.close()


@needs_browser
@pytest.mark.parametrize("width", [1280, 375])
def test_panels_of_chosen_languages_move_up_with_their_titles(browser: Browser, tmp_path: Path, width: int) -> None:
    path = Report(attribution(making.TEN)).save(tmp_path / "report.html")
    page = opened(browser, path, width).page
    name = "attribution--contribution-ratio"
    every = [trace["y"] for trace in traces(page, name) if trace["xaxis"] in ("x2", "x10")]
    choose(page, *CHOSEN)
    some = traces(page, name)
    assert [trace["y"] for trace in some] == every
    assert [trace["xaxis"] for trace in some] == ["x"] * 4 + ["x2"] * 4
    assert [trace["showlegend"] for trace in some] == [True] * 4 + [False] * 4
    titles = page.locator(f"[data-figure={name}] .annotation-text").all_text_contents()
    assert titles == list(LANGUAGES.values())
    page.close()


@needs_browser
def test_what_is_not_chosen_at_all_is_said(browser: Browser, tmp_path: Path) -> None:
    results = [making.loss_matrix(("de", "sw")), making.activity(("fr", "en"))]
    page = opened(browser, Report(results).save(tmp_path / "report.html")).page
    choose(page, "fr")
    empty = page.locator("[data-figure=ablation--ablation-matrix] .plot .empty")
    empty.wait_for()
    assert "Nothing in this figure" in empty.inner_text()
    page.click("label:has([name=language][value=fr])")
    assert len(traces(page, "ablation--ablation-matrix")[0]["x"]) == 2
    page.close()


@needs_browser
def test_filters_and_sorting_work_by_keyboard(browser: Browser, saved: Path) -> None:
    page = opened(browser, saved).page
    page.focus(".filters summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == making.TEN[0]
    page.keyboard.press("Space")
    assert page.locator(".filters .shown").inner_text() == f"{making.TEN[0]}; all layers"
    page.keyboard.press("Space")
    table = page.locator("[data-table=activity--activity-by-language]")
    table.locator("thead button").nth(1).focus()
    orders = []
    for expected in ("ascending", "descending"):
        page.keyboard.press("Enter")
        assert table.locator("th").nth(1).get_attribute("aria-sort") == expected
        cells = table.locator("tbody td:nth-child(2)").all_inner_texts()
        orders.append([int(text.replace(",", "")) for text in cells])
    assert orders[0] == sorted(orders[0]) == orders[1][::-1]
    page.close()


@needs_browser
def test_no_filter_stands_where_there_is_nothing_to_choose(browser: Browser, tmp_path: Path) -> None:
    report = Report(making.neuron_sets(("de",), layers=1, empty=0)["de"])
    seen = opened(browser, report.save(tmp_path / "report.html"))
    assert seen.page.locator(".filters").count() == 0
    assert seen.console == []
    seen.page.close()
