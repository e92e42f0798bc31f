"""Single neurons: what the page carries decodes to what was recorded, and shows it for the neuron that is picked."""

import base64
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page

from neuroglot.metrics.top_texts import TopTexts
from neuroglot.neurons.categories import rows_by_category
from neuroglot.reports import Report
from neuroglot.reports.explorer import ONE_BYTE, PAGE_BYTES, TWO_BYTES, explorer_data
from tests.reports import making
from tests.reports.browsing import explore, needs_browser, opened

LANGUAGES = ("en", "ar", "zh", "de")


def bytes_of(data: dict, name: str) -> bytes:
    return zlib.decompress(base64.b64decode(data["packed"][name]), -15)


def rates_of(data: dict) -> np.ndarray:
    """The decoded rates `[K, G]`."""
    kind = np.uint8 if data["scale"] == ONE_BYTE else "<u2"
    whole = np.frombuffer(bytes_of(data, "rates"), dtype=kind).reshape(data["kept"], -1).astype(float)
    return np.where(whole > data["scale"], np.nan, (whole / data["scale"]) ** 2)


def kept_of(data: dict) -> np.ndarray:
    return np.cumsum(np.frombuffer(bytes_of(data, "ids"), dtype="<u4"))


@pytest.mark.parametrize(("most", "scale", "error"), [(PAGE_BYTES, TWO_BYTES, 1e-4), (96 * 8, ONE_BYTE, 8e-3)])
def test_rates_decode_to_what_was_recorded(most: int, scale: int, error: float) -> None:
    activity = making.activity(LANGUAGES)
    data = explorer_data([activity], most_bytes=most)
    assert data is not None
    assert (data["scale"], data["kept"]) == (scale, 96)
    expected = activity.rates().T.numpy()
    assert np.abs(rates_of(data) - expected).max() < error
    assert np.array_equal(rates_of(data) == 0, expected == 0)


def test_ends_are_kept_for_never_and_always_and_no_tokens_for_none() -> None:
    activity = making.activity(LANGUAGES)
    fired, tokens, reached = activity.fired.clone(), activity.tokens.clone(), activity.reached.clone()
    fired[0, 0, :3] = torch.tensor([0, 1, tokens[0] - 1])
    fired[0, 0, 3], tokens[3], reached[3], fired[0, 3] = tokens[0], 0, 0, 0
    changed = replace(activity, fired=fired, tokens=tokens, reached=reached)
    for most in (PAGE_BYTES, 96 * 8):
        data = explorer_data([changed], most_bytes=most)
        assert data is not None
        found = rates_of(data)
        assert found[0, 0] == 0 < found[1, 0]
        assert found[2, 0] < 1 == found[3, 0]
        assert np.isnan(found[:, 3]).all()


def test_members_of_sets_are_kept_first_then_the_most_specific() -> None:
    activity, sets = making.activity(LANGUAGES), making.neuron_sets(LANGUAGES)
    members = torch.stack([one.members for one in sets.values()]).any(0)
    data = explorer_data([activity, sets], most_bytes=60 * 9)
    assert data is not None
    kept = kept_of(data)
    assert len(kept) == data["kept"] == 60
    assert int(members.sum()) < 60
    assert set(members.nonzero()[:, 0].tolist()) <= set(kept.tolist())
    highest = activity.rates().sort(dim=0, descending=True).values
    excess = highest[0] - highest[1]
    rest = [neuron for neuron in range(96) if not members[neuron]]
    expected = sorted(rest, key=lambda neuron: -excess[neuron])[: 60 - int(members.sum())]
    assert set(kept.tolist()) - set(members.nonzero()[:, 0].tolist()) == set(expected)
    bits = np.unpackbits(np.frombuffer(bytes_of(data, "sets"), np.uint8).reshape(len(sets), -1), axis=1)[:, :60]
    assert np.array_equal(bits.astype(bool), np.stack([one.members.numpy()[kept] for one in sets.values()]))


def test_categories_decode_to_the_rows_of_the_sharing() -> None:
    sharing = making.sharing(LANGUAGES)
    data = explorer_data([making.activity(LANGUAGES), sharing])
    assert data is not None
    whole = np.frombuffer(bytes_of(data, "categories"), dtype="<u2").reshape(96, 4)
    assert np.array_equal(np.round(whole / TWO_BYTES * sharing.rows), rows_by_category(sharing).T.numpy())


def test_the_list_names_neurons_by_how_far_they_lead() -> None:
    activity = making.activity(LANGUAGES)
    data = explorer_data([activity])
    assert data is not None
    rates = activity.rates()
    for language, layer, neuron, own, following in data["specific"]["rows"]:
        values = sorted(rates[:, int(layer.split()[1]) * 24 + neuron].tolist())
        assert own == pytest.approx(values[-1], rel=1e-5)
        assert following == pytest.approx(values[-2], rel=1e-5)
        assert rates[LANGUAGES.index(language), int(layer.split()[1]) * 24 + neuron] == values[-1]
    leads = [row[3] - row[4] for row in data["specific"]["rows"] if row[0] == "en"]
    assert 0 < len(leads) <= 5
    assert leads == sorted(leads, reverse=True)


def test_without_an_activity_there_is_none_and_other_layouts_are_left_out() -> None:
    assert explorer_data([making.loss_matrix()]) is None
    data = explorer_data([making.activity(LANGUAGES), making.sharing(LANGUAGES, 2), making.neuron_sets(LANGUAGES, 2)])
    assert data is not None
    assert (data["categories"], data["sets"]) == (None, [])
    assert set(data["packed"]) == {"ids", "rates"}


def test_a_large_model_stays_below_eight_megabytes() -> None:
    activity = making.activity(making.THIRTY, layers=6, width=30_000)
    report = Report([activity, making.neuron_sets(making.THIRTY, 6, 30_000)])
    data = explorer_data(report.results)
    assert data is not None
    assert 100_000 < data["kept"] < 180_000
    assert sum(map(len, data["packed"].values())) < 8_000_000


def texts_of(report_texts: TopTexts) -> tuple[int, int]:
    """Layer and number of the first neuron that has texts."""
    layer, neuron = divmod(int(report_texts.neurons[0]), 24)
    return layer, neuron


def rows_of(page: Page, caption: str) -> dict[str, str]:
    rows = page.locator(f".bars:has(caption:text('{caption}')) tbody tr").all()
    return {row.locator("th").inner_text(): row.locator(".number").inner_text() for row in rows}


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    sets = making.neuron_sets(LANGUAGES)
    results = [making.activity(LANGUAGES), making.sharing(LANGUAGES), sets]
    report = Report(results, texts=making.texts(LANGUAGES))
    return report.save(tmp_path_factory.mktemp("explorer") / "report.html"), report


@needs_browser
@pytest.mark.parametrize("width", [1280, 375])
def test_a_neuron_that_is_picked_shows_its_numbers(browser: Browser, explored: tuple[Path, Report], width: int) -> None:
    seen = opened(browser, explored[0], width)
    page, texts = seen.page, making.texts(LANGUAGES)
    explore(page)
    layer, neuron = texts_of(texts)
    page.select_option("[name=layer]", str(layer))
    page.fill("[name=neuron]", str(neuron))
    assert page.locator(".neuron h3").inner_text() == f"layer {layer}, neuron {neuron}"
    number = layer * 24 + neuron
    rates = making.activity(LANGUAGES).rates()[:, number]
    shown = rows_of(page, "How often it fires")
    assert list(shown) == ["English (en)", "Arabic (ar)", "Chinese (zh)", "German (de)"]
    assert [float(text[:-1]) for text in shown.values()] == pytest.approx((100 * rates).tolist(), abs=0.06)
    categories = rows_by_category(making.sharing(LANGUAGES))[:, number] / 60
    found = [float(text[:-1]) for text in rows_of(page, "On how many of 60").values()]
    assert found == pytest.approx((100 * categories).tolist(), abs=0.06)
    owners = [code for code, one in making.neuron_sets(LANGUAGES).items() if one.members[number]]
    assert all(f"({code})" in page.locator(".neuron p").first.inner_text() for code in owners)
    means = rows_of(page, "Mean over texts")
    assert all("[" in text for text in means.values())
    best = texts.texts[int(texts.places[0, 0])]
    assert page.locator(".texts p").first.inner_text() == best[2]
    assert page.locator(".texts p").first.get_attribute("lang") == best[0]
    assert page.locator(".texts p").first.get_attribute("dir") == ("rtl" if best[0] == "ar" else "ltr")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert seen.console == []
    page.close()


@needs_browser
def test_the_list_opens_a_neuron_by_keyboard_and_filters_act(browser: Browser, explored: tuple[Path, Report]) -> None:
    page = opened(browser, explored[0]).page
    explore(page)
    row = page.locator(".specific tbody tr").nth(1)
    layer, neuron = row.locator("td").nth(2).inner_text(), row.locator("td").nth(3).inner_text()
    row.locator("button").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == f"{layer}, neuron {neuron}"
    page.click(".filters summary")
    page.click("label:has([name=language][value=ar])")
    assert list(rows_of(page, "How often it fires")) == ["Arabic (ar)"]
    assert set(page.locator(".specific tbody td:nth-child(2)").all_inner_texts()) == {"ar"}
    page.close()


@needs_browser
def test_numbers_out_of_range_are_said(browser: Browser, explored: tuple[Path, Report]) -> None:
    page = opened(browser, explored[0]).page
    explore(page)
    for number in ("24", "-1", ""):
        page.fill("[name=neuron]", number)
        assert "has the neurons 0 to 23" in page.locator(".neuron").inner_text()
    page.close()


@needs_browser
def test_a_report_without_texts_and_sets_still_explores(browser: Browser, tmp_path: Path) -> None:
    path = Report(making.activity(LANGUAGES)).save(tmp_path / "report.html")
    seen = opened(browser, path)
    explore(seen.page)
    assert "made without texts" in seen.page.locator(".neuron").inner_text()
    assert seen.page.locator(".bars").count() == 1
    assert seen.console == []
    seen.page.close()
