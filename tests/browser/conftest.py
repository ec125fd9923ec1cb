"""The browser, the running system, and pages of it that are logged in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.site import Site, running_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    Opener = Callable[..., Page]

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(browser: Browser) -> Iterator[Site]:
    """The running system; it starts only where there is a browser to look at it."""
    with running_site() as site:
        yield site


@pytest.fixture(scope="session")
def login(browser: Browser, site: Site) -> str:
    """Logged in once, through Airflow's own form; the storage state of that browser."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.url)
    page.fill("input[name=username]", site.user)
    page.fill("input[name=password]", site.password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{site.url}/**")
    page.get_by_role("link", name="Dags").first.wait_for(timeout=PATIENCE_MS)
    kept = str(Path(site.state.folder) / "login.json")
    context.storage_state(path=kept)
    context.close()
    return kept


@pytest.fixture
def open_page(browser: Browser, login: str, site: Site) -> Iterator[Opener]:
    """Opens a page that is logged in: `open_page(path, theme="light", size=WIDE)`. Its errors fail the test."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def opened(path: str = "/", theme: str = "light", size: dict[str, int] = WIDE) -> Page:
        context = browser.new_context(
            storage_state=login, viewport=size, color_scheme=theme, accept_downloads=True, reduced_motion="reduce"
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if _is_ours(message) else None)
        page.goto(site.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def _is_ours(message: object) -> bool:
    """Whether a console message is an error of the Coverage page; Airflow's own pages have theirs."""
    place = getattr(message, "location", {}).get("url", "")
    text = getattr(message, "text", "")
    return getattr(message, "type", "") == "error" and "/coverage/" in place and not text.startswith("Failed to load")


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where screenshots go: KLINES_SCREENSHOTS names a folder, else none are kept."""
    folder = os.environ.get("KLINES_SCREENSHOTS")
    if not folder:
        return None
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path
