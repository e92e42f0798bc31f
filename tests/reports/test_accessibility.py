"""The pages as axe-core sees them: every part open, wide and on a phone, light and dark."""

import itertools
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from neuroglot.reports import Report
from neuroglot.runs.index import write_index
from tests.reports import making
from tests.reports.browsing import explore, needs_browser, opened, scrolled_through
from tests.reports.test_runs import run_folder

needs_axe = pytest.mark.skipif(
    find_spec("axe_playwright_python") is None, reason="axe-playwright-python, which brings axe-core, is not installed"
)


def violations(page: Page) -> list[str]:
    """What axe-core finds, in words, inside figures excepted, which are images with a name and a table."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found = page.evaluate("axe.run({exclude: ['.plot > *']}, {resultTypes: ['violations']})")
    assert len(found["passes"]) > 15
    nodes = [(one["id"], node) for one in found["violations"] for node in one["nodes"]]
    return [f"{rule}: {node['target']} {node['failureSummary']}" for rule, node in nodes]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of section once, with few languages: axe-core reads every cell."""
    languages = ("en", "ar", "zh")
    report = Report([*making.everything(languages), making.activity(languages)], texts=making.texts(languages))
    return report.save(tmp_path_factory.mktemp("small") / "report.html")


@needs_browser
@needs_axe
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")])
def test_the_report_has_no_violation(browser: Browser, small: Path, width: int, scheme: str) -> None:
    page = opened(browser, small, width, scheme).page
    explore(page)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
    page.click("label:has([name=language])")
    page.wait_for_selector("html[data-drawn=yes]")
    assert violations(page) == []
    page.close()


@needs_browser
@needs_axe
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_the_index_has_no_violation(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    run_folder(tmp_path / "one")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(write_index(tmp_path)[0].as_uri())
    assert violations(page) == []
    page.close()


@needs_browser
def test_headings_descend_one_by_one_and_all_controls_have_names(browser: Browser, saved: Path) -> None:
    page = opened(browser, saved).page
    scrolled_through(page)
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    controls, unnamed = page.evaluate(
        """() => {
            const label = (one) => one.textContent || one.closest("label")?.textContent;
            const name = (one) => one.getAttribute("aria-label") || label(one);
            const controls = [...document.querySelectorAll("button, select, input, summary, a[href]")];
            return [controls.length, controls.filter((one) => !name(one)?.trim()).map((one) => one.outerHTML)];
        }"""
    )
    assert controls > 100
    assert unnamed == []
    page.close()
