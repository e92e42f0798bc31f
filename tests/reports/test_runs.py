"""The index of run folders: what is found, what is shown of it, and what is left alone."""

import io
import json
import os
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from rich.console import Console

from neuroglot.errors import ArtifactError
from neuroglot.metrics.losses import LossCurve
from neuroglot.reports import Report
from neuroglot.runs.index import find_runs, index_table, write_index
from neuroglot.runs.serving import ReportServer
from neuroglot.signature import Signature
from tests.reports import making
from tests.reports.browsing import needs_browser

ATTACK = "<script>document.title='run'</script>"


def run_folder(path: Path, *, title: str = "A run", page: bool = True, results: list | None = None) -> Path:
    path.mkdir(parents=True)
    report = Report(results or [making.loss_matrix(("de", "sw"))], title=title)
    report.save(path / "report.json")
    (path / "neuroglot-run.json").write_text("{}")
    if page:
        report.save(path / "report.html")
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    run_folder(tmp_path / "b run")
    run_folder(tmp_path / "deep" / "a", title=ATTACK, page=False)
    run_folder(tmp_path / "task", results=[making.accuracy_matrix(("de", "sw"))])
    run_folder(tmp_path / ".hidden")
    (tmp_path / "no-config").mkdir()
    (tmp_path / "no-config" / "report.json").write_text("{}")
    return tmp_path


def test_runs_are_found_at_several_levels_in_the_order_of_names(runs: Path) -> None:
    found = find_runs(runs)
    assert [run.path.as_posix() for run in found] == ["b run", "deep/a", "task"]
    assert [run.has_page for run in found] == [True, False, True]
    assert found[0].link == "b%20run/report.html"
    assert [run.path.as_posix() for run in find_runs(runs / "task")] == ["."]
    run_folder(runs / "1" / "2" / "3" / "4" / "5")
    assert len(find_runs(runs)) == 3


def test_the_headline_is_that_of_the_report(runs: Path) -> None:
    (run, _, task) = find_runs(runs)
    means = making.loss_matrix(("de", "sw")).headline()
    assert run.effects is not None
    assert [run.effects[name] for name in ("diagonal", "off_diagonal", "random")] == [
        means.diagonal, means.off_diagonal, means.random,
    ]  # fmt: skip
    assert (run.model, run.corpus, run.rows, run.unit) == ("lab", "lab held-out", 60, "nats per token")
    assert (task.effects, task.cells()) == (None, ["–"] * 3)


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "{", '{"schema_version": 2}', '{"schema_version": 1, "headline": 3}', "[" * 100_000]
)
def test_a_damaged_report_is_listed_as_such(runs: Path, content: str) -> None:
    (runs / "task" / "report.json").write_text(content)
    *_, task = find_runs(runs)
    assert "report.json" in task.problem
    path, _ = write_index(runs)
    assert task.problem in path.read_text()


def test_links_are_not_followed(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = run_folder(tmp_path_factory.mktemp("elsewhere") / "run")
    os.symlink(elsewhere, runs / "linked")
    linked = run_folder(runs / "z")
    for name in ("report.json", "report.html"):
        (linked / name).unlink()
        os.symlink(elsewhere / name, linked / name)
    found = find_runs(runs)
    assert [run.path.as_posix() for run in found] == ["b run", "deep/a", "task", "z"]
    assert "is a link" in found[-1].problem


def test_the_index_links_to_pages_and_escapes_titles(runs: Path) -> None:
    path, _ = write_index(runs)
    text = path.read_text()
    assert 'href="b%20run/report.html"' in text
    assert 'href="deep/a/report.html"' not in text
    assert ATTACK not in text
    assert "&lt;script&gt;" in text
    assert write_index(runs)[0] == path  # its own page may be replaced


def test_a_page_of_another_program_is_left_alone(runs: Path) -> None:
    (runs / "index.html").write_text("my own page")
    with pytest.raises(ArtifactError, match="was not written by neuroglot"):
        write_index(runs)
    assert (runs / "index.html").read_text() == "my own page"


def test_folders_without_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no run folder"):
        write_index(tmp_path)
    with pytest.raises(ArtifactError, match="is not a folder"):
        write_index(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def test_a_run_without_effects_is_listed_with_its_finding(tmp_path: Path) -> None:
    """A training's report has a headline of its own kind, and no rows."""
    run_folder(tmp_path / "tuned", results=[LossCurve((4.0, 3.0, 2.5), Signature())])
    (run,) = find_runs(tmp_path)
    assert (run.problem, run.effects) == ("", None)
    assert run.finding == "The loss was 4.00 nats per learned token in the first step and 2.50 in the last of 3 steps."
    assert run.finding in write_index(tmp_path)[0].read_text()


def test_the_terminal_shows_the_same(runs: Path) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(index_table(find_runs(runs)).to_rich())
    text = console.export_text()
    assert "b run" in text
    assert all(cell in text for cell in find_runs(runs)[0].cells())
    assert json.loads((runs / "b run" / "report.json").read_text())["headline"]["unit"] in text


@needs_browser
def test_the_index_runs_no_script_and_opens_reports(browser: Browser, runs: Path) -> None:
    page = browser.new_page(viewport={"width": 375, "height": 800})
    path, _ = write_index(runs)
    page.goto(path.as_uri())
    assert page.title() == f"Reports in {runs.name}"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.click("a[href='b%20run/report.html']")
    page.wait_for_selector("html[data-drawn=yes]")
    assert page.title() == "A run"
    page.close()


@needs_browser
def test_a_served_report_draws_under_both_policies_and_asks_for_nothing_else(browser: Browser, runs: Path) -> None:
    write_index(runs)
    with ReportServer(runs) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        page = browser.new_page()
        seen: list[str] = []
        page.on("console", lambda message: seen.append(message.text))
        page.on("request", lambda request: seen.append(request.url))
        page.goto(server.url)
        page.click("a[href='b%20run/report.html']")
        page.wait_for_selector("figure .plot svg.main-svg")
        assert seen == [server.url, f"{server.url}b%20run/report.html"]
        page.close()
        server.shutdown()
        thread.join()
