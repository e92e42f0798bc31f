"""The page in headless Chromium: offline, drawn, downloadable, dark, on a phone, and safe against its own data."""

import csv
import gzip
import hashlib
import html
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from neuroglot.reports import Report
from neuroglot.reports.html import PLOTLY, script_safe_json
from neuroglot.signature import Signature
from tests.reports import making
from tests.reports.browsing import drawn, needs_browser, opened, scrolled_through

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
PLOTLY_SHA256 = "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a"


@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_every_figure_is_drawn_offline_and_nothing_overflows(
    browser: Browser, report: Report, saved: Path, width: int, scheme: str
) -> None:
    seen = opened(browser, saved, width, scheme)
    figures = sum(len(section.figures) for section in report.sections)
    assert seen.page.locator("figure").count() == figures == 15
    assert drawn(seen.page) < figures  # those far below wait
    scrolled_through(seen.page)
    assert drawn(seen.page) == figures
    assert seen.console == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert seen.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    seen.page.close()


@needs_browser
def test_the_csv_that_is_downloaded_holds_the_table(browser: Browser, report: Report, saved: Path) -> None:
    page = opened(browser, saved).page
    table = report.sections[0].figures[0].plots[0].table
    with page.expect_download() as download:
        page.click("figure >> nth=0 >> [data-download=csv]")
    assert download.value.suggested_filename == "ablation-matrix-nats-per-token.csv"
    heads, *rows = csv.reader(Path(download.value.path()).read_text().splitlines())
    assert heads[:3] == ["neurons off", "measured on", "effect (nats per token)"]
    assert [tuple(row[:2]) for row in rows] == [row[:2] for row in table.rows]
    assert [[float(cell) for cell in row[2:]] for row in rows] == [list(row[2:]) for row in table.rows]
    page.close()


@needs_browser
def test_every_figure_downloads_as_a_picture_and_every_table_as_csv(browser: Browser, saved: Path) -> None:
    page = opened(browser, saved).page
    buttons = page.locator("[data-download]").all()
    assert len(buttons) == 15 * 3 + 3
    starts = {"svg": b"<svg", "png": b"\x89PNG", "csv": b""}
    for place, button in enumerate(buttons):
        kind = str(button.get_attribute("data-download"))
        if kind == "csv" or place % 4 == 1:  # a picture takes a while
            page.wait_for_timeout(150)  # Chromium drops downloads beyond ten a second, and says nothing
            with page.expect_download() as download:
                button.click()
            assert Path(download.value.path()).read_bytes().startswith(starts.pop(kind, b""))
            assert download.value.suggested_filename.endswith(f".{kind}")
    assert not starts  # all kinds were tried
    page.close()


@needs_browser
def test_the_unit_can_be_chosen_and_the_table_follows_and_sorts(browser: Browser, report: Report, saved: Path) -> None:
    page = opened(browser, saved).page
    card = page.locator("figure >> nth=1")
    card.locator("details.table summary").click()
    card.locator("tbody tr").first.wait_for()  # rows are made when the table opens
    assert "nats per token" in card.locator("thead").inner_text()
    page.locator("label", has_text="bits per byte").click()
    assert "bits per byte" in card.locator("thead").inner_text()
    card.locator("thead button").nth(2).click()
    assert card.locator("th").nth(2).get_attribute("aria-sort") == "ascending"
    effects = [float(text.replace("−", "-")) for text in card.locator("tbody td:nth-child(3)").all_inner_texts()]
    assert len(effects) == len(making.TEN)
    assert effects == sorted(effects)
    page.close()


@needs_browser
def test_the_theme_follows_the_system_and_the_button(browser: Browser, saved: Path) -> None:
    page = opened(browser, saved, scheme="dark").page
    background = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    dark, dark_ink = page.evaluate(background), page.evaluate(ink)
    page.click("#theme")
    page.wait_for_selector("html[data-drawn=yes]")
    assert dark == "rgb(20, 23, 27)"
    assert page.evaluate(background) == "rgb(247, 245, 241)"
    assert page.evaluate(ink) != dark_ink
    page.close()


@needs_browser
def test_text_from_the_data_does_nothing(browser: Browser, tmp_path: Path) -> None:
    languages = ("de", ATTACK, "sw")
    matrix = making.loss_matrix(languages, corpus=ATTACK)
    object.__setattr__(matrix, "signature", Signature.of(model=ATTACK, corpus=ATTACK))
    sets, activity = making.neuron_sets(languages), making.activity(languages)
    texts = making.texts(languages, text=ATTACK)
    report = Report([matrix, sets, activity], title=ATTACK, notes=[ATTACK], texts=texts)
    seen = opened(browser, report.save(tmp_path / "attack.html"))
    scrolled_through(seen.page)
    assert seen.console == []
    assert seen.page.locator("img").count() == 0
    scripts = seen.page.locator("script:not([type])").count()
    assert scripts == 2  # the page's own, and plotly unpacked
    assert seen.page.locator("h1").inner_text() == ATTACK
    layer, neuron = divmod(int(texts.neurons[0]), 24)
    seen.page.select_option("[name=layer]", str(layer))
    seen.page.fill("[name=neuron]", str(neuron))
    assert ATTACK in seen.page.locator(".texts p").first.inner_text()
    assert seen.console == []
    seen.page.close()


@needs_browser
def test_the_policy_stops_what_would_get_past_the_escaping(browser: Browser, saved: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(saved.read_text().replace("<h1", "<script>document.title='run'</script><h1", 1))
    seen = opened(browser, broken)
    assert seen.page.title() == "A report"
    assert any("Content Security Policy" in message for message in seen.console)
    refused = seen.page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')")
    assert refused == "refused"
    seen.page.close()


def test_the_bundle_of_plotly_is_the_published_one() -> None:
    source = gzip.decompress(PLOTLY.read_bytes())
    assert hashlib.sha256(source).hexdigest() == PLOTLY_SHA256
    assert b"plotly.js (cartesian - minified) v4.1.1" in source[:200]
    assert b"Licensed under the MIT license" in source[:200]


def test_thirty_languages_and_forty_layers_stay_small() -> None:
    page = Report(making.everything(making.THIRTY, 40, 16)).to_html()
    assert len(page.encode()) < 2_000_000


def test_the_page_holds_no_address_to_fetch_from(saved: Path) -> None:
    outside = re.sub(r'<script type="text/plain".*?</script>', "", saved.read_text(), flags=re.DOTALL)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", outside)
    assert "connect-src 'none'" in html.unescape(outside)


def test_json_in_a_script_element_cannot_end_it() -> None:
    text = script_safe_json({"name": f"{ATTACK}\u2028&"})
    assert not set("<>&\u2028") & set(text)
