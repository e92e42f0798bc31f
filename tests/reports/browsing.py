"""A page in headless Chromium, and all that it did besides being drawn."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium was found on this machine")


@dataclass
class Opened:
    """A page that was opened, what it wrote to the console and what it asked of the network."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def opened(browser: Browser, path: Path, width: int = 1280, scheme: str = "light") -> Opened:
    """The page with the figures drawn that are near its top."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True)
    seen = Opened(page)
    page.on("console", lambda message: seen.console.append(message.text))
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.on("dialog", lambda dialog: seen.console.append(f"dialog {dialog.message}"))
    page.on("request", lambda request: seen.requests.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn=yes]", timeout=60_000)
    return seen


def scrolled_through(page: Page) -> None:
    """Bring every figure and the explorer near, so that all is drawn."""
    for element in page.locator("figure .plot").all():
        element.evaluate("(plot) => plot.scrollIntoView({behavior: 'instant'})")
        element.locator("svg.main-svg, .empty").first.wait_for(state="attached", timeout=60_000)
    if page.locator("#explorer").count():
        explore(page)
    page.wait_for_selector("html[data-drawn=yes]", timeout=60_000)


def explore(page: Page) -> None:
    """Bring the explorer near and wait until it is there."""
    page.locator("#explorer").evaluate("(part) => part.scrollIntoView({behavior: 'instant'})")
    page.wait_for_selector("#explorer[data-ready=yes]", timeout=60_000)


def drawn(page: Page) -> int:
    """Figures in which plotly put a picture that has a size and marks in it."""
    return page.evaluate(
        """() => [...document.querySelectorAll("figure .plot")].filter((plot) => {
            const marks = plot.querySelectorAll(".trace, .heatmaplayer image, .hm");
            return plot.querySelector("svg.main-svg")?.getBoundingClientRect().height > 100 && marks.length > 0;
        }).length"""
    )
