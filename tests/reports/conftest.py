"""A browser for the tests of a folder, and a page with everything in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from neuroglot.reports import Report
from tests.reports import making
from tests.reports.browsing import ARGUMENTS, CHROMIUM


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def report() -> Report:
    results = [*making.everything(), making.activity(fires=(0.0, 0.5))]
    return Report(results, title="A report", texts=making.texts())


@pytest.fixture(scope="package")
def saved(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.save(tmp_path_factory.mktemp("page") / "report.html")
