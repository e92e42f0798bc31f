"""Every kind of page, as the recipes write them: wide and on a phone, light and dark, and on paper.

With NEUROGLOT_SHOTS=FOLDER each page is also kept there as pictures and as PDF, to be looked at.
"""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from neuroglot.recipes import all_recipes
from neuroglot.recipes.analyze import Analyze
from neuroglot.recipes.demo import Demo
from neuroglot.reports import Report
from neuroglot.reports.wording import number
from neuroglot.runs.index import write_index
from tests.recipes.every import EXAMPLES, LACKING, write_inputs
from tests.reports import making
from tests.reports.browsing import drawn, needs_browser, opened, scrolled_through
from tests.reports.test_accessibility import needs_axe, violations

SHOTS = os.environ.get("NEUROGLOT_SHOTS", "")
RIGHT_TO_LEFT = ("en", "ar", "ur", "he")
ARABIC = "قال (abc) إن 12% من الناس"
VIEWS = [(1280, "light"), (390, "dark")] if not SHOTS else [(w, s) for w in (1280, 390) for s in ("light", "dark")]
PAGES = [*sorted(set(EXAMPLES) - set(LACKING) - {"specialize compare"}), "right to left"]  # that trains for a minute
PAPER = 680  # pixels of A4 and Letter within their margins

pytestmark = needs_browser


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder for each recipe, made when it is asked for, and the page of right-to-left texts."""
    folder = tmp_path_factory.mktemp("pages")
    write_inputs(folder)
    return folder


@pytest.fixture
def page_of(runs: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(runs)
    monkeypatch.setattr(Demo, "job", property(lambda self: Analyze(**EXAMPLES["analyze"])))

    def made(name: str) -> Path:
        path = runs / "runs" / name.replace(" ", "-") / "report.html"
        if path.exists():
            return path
        if name in EXAMPLES:
            all_recipes()[name].from_json(EXAMPLES[name]).run(path.parent)
            return path
        results = [*making.everything(RIGHT_TO_LEFT), making.activity(RIGHT_TO_LEFT)]
        return Report(results, title=ARABIC, notes=[ARABIC], texts=making.texts(RIGHT_TO_LEFT, text=ARABIC)).save(path)

    return made


def cut_off(page: Page) -> list[str]:
    """Words that reach over the edge of the screen or, inside a figure, of the figure; tables scroll by themselves."""
    return page.evaluate(
        """() => {
            const box = (element) => element.getBoundingClientRect();
            const over = [...document.querySelectorAll("main *, header *")].filter((element) =>
                box(element).width && box(element).right > innerWidth + 1
                    && !element.closest(".scroll, .unseen, .skip, svg"));
            const words = [...document.querySelectorAll(".plot text")].filter((text) => {
                const inner = box(text), outer = box(text.closest(".plot"));
                const hidden = text.closest(".hoverlayer") || getComputedStyle(text).visibility === "hidden";
                return inner.width && !hidden && (
                    inner.left < outer.left - 2 || inner.right > outer.right + 2 || inner.bottom > outer.bottom + 2);
            });
            return [...over, ...words].map((element) => `${element.tagName}: ${element.textContent.slice(0, 60)}`);
        }"""
    )


def keep(page: Page, name: str) -> None:
    if SHOTS:
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=Path(SHOTS) / f"{name.replace(' ', '-')}.png", full_page=True)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_on_screens_and_on_paper(name: str, browser: Browser, page_of) -> None:  # type: ignore[no-untyped-def]
    path = page_of(name)
    for width, scheme in VIEWS:
        seen = opened(browser, path, width, scheme)
        scrolled_through(seen.page)
        assert drawn(seen.page) == seen.page.locator("figure").count()
        assert seen.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert cut_off(seen.page) == []
        assert seen.console == []
        keep(seen.page, f"{name}-{width}-{scheme}")
        seen.page.close()
    on_paper(browser, path, name)


def on_paper(browser: Browser, path: Path, name: str) -> None:
    """All figures are drawn, those far below too, on white and within the paper; afterwards the page is as before."""
    page = opened(browser, path, 1280, "dark").page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    assert drawn(page) == page.locator("figure").count()
    widths = page.locator("figure .plot svg.main-svg").evaluate_all("(all) => all.map((one) => one.clientWidth)")
    assert all(0 < width <= PAPER for width in widths)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.className") == ""
    if SHOTS:
        page.pdf(path=Path(SHOTS) / f"{name.replace(' ', '-')}.pdf")
    page.close()


@needs_axe
@pytest.mark.parametrize("name", PAGES)
def test_no_page_has_a_violation_on_a_phone_in_the_dark(name: str, browser: Browser, page_of) -> None:  # type: ignore[no-untyped-def]
    page = opened(browser, page_of(name), 390, "dark").page
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
    assert violations(page) == []
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_index_of_all_pages_shows_every_number_without_scrolling(
    width: int,
    browser: Browser,
    page_of,
    runs: Path,  # type: ignore[no-untyped-def]
) -> None:
    for name in ("ablate", "lab train", "score", "steer"):
        page_of(name)
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(write_index(runs / "runs")[0].as_uri())
    assert page.locator(".scroll").evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0
    assert "cannot be read" not in page.locator("main").inner_text()
    assert cut_off(page) == []
    keep(page, f"index-{width}")
    page.close()


def test_text_from_right_to_left_stands_at_the_right_and_breaks_no_table(browser: Browser, page_of) -> None:  # type: ignore[no-untyped-def]
    page = opened(browser, page_of("right to left")).page
    direction = "(element) => getComputedStyle(element).direction"
    assert page.locator("h1").evaluate(direction) == "rtl"
    assert page.locator(".lead").evaluate(direction) == "ltr"
    scrolled_through(page)
    layer, neuron = divmod(int(making.texts(RIGHT_TO_LEFT).neurons[0]), 24)
    page.select_option("[name=layer]", str(layer))
    page.fill("[name=neuron]", str(neuron))
    texts = page.locator(".texts p")
    texts.first.wait_for()
    assert texts.count()
    each = texts.evaluate_all("(all) => all.map((text) => [text.lang, getComputedStyle(text).direction])")
    assert {code for code, _ in each} & set(RIGHT_TO_LEFT[1:])
    assert all((found == "rtl") == (code in RIGHT_TO_LEFT[1:]) for code, found in each)
    table = page.locator("[data-table=activity--activity-by-language] table")
    assert table.evaluate(direction) == "ltr"
    page.close()


def test_the_name_of_a_row_stays_while_its_numbers_are_scrolled_to_on_a_phone(browser: Browser, page_of) -> None:  # type: ignore[no-untyped-def]
    page = opened(browser, page_of("right to left"), 390).page
    box = page.locator("[data-table=activity--activity-by-language] .scroll")
    name = box.locator("tbody td").first
    before = name.bounding_box()
    box.evaluate("(box) => { box.scrollLeft = 1000 }")
    assert name.bounding_box() == before
    page.close()


def test_numbers_in_tables_are_written_as_in_sentences(browser: Browser, page_of) -> None:  # type: ignore[no-untyped-def]
    page = opened(browser, page_of("ablate")).page
    card = page.locator("[data-figure=ablation--ablation-by-language]")
    card.locator("details.table summary").click()
    card.locator("tbody tr").first.wait_for()
    cells = card.locator("tbody td.number").all_inner_texts()
    shown = [cell for cell in cells if cell != "–" and "." in cell]
    assert shown
    assert shown == [number(float(cell.replace("−", "-"))) for cell in shown]
    page.close()
