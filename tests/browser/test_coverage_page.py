"""The Coverage page as people use it: a real Airflow, a real Chromium, from the navigation to a run that mends a hole.

The tests share one running system and use it in their order: first empty, then filled, then mended.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser import data
from tests.browser.conftest import NARROW, WIDE
from tests.polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import FrameLocator, Page

    from tests.browser.conftest import Opener
    from tests.browser.site import Site

PAGE = "/coverage/"
RUN_MS = 180_000
VIEWS = {
    "heatmap": "#/",
    "overview": "#/overview",
    "series": "#/series/SOL/1h",
    "trigger": '#/trigger/klines_weekly_gap_fill?conf={"symbols":["SOL"]}',
}


def coverage(page: Page) -> FrameLocator:
    """The page inside Airflow's frame, opened from Airflow's navigation."""
    page.get_by_role("link", name="Coverage").first.click()
    return page.frame_locator("iframe[title=Coverage]")


def month(place: Page | FrameLocator, words: str) -> Any:
    """The focused month of the heatmap, if its words contain these."""
    return place.locator(".grid-cell").and_(place.get_by_label(re.compile(words)))


def copied(page: Page) -> str:
    """What is on the clipboard; the page writes to it beside its other work."""
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_an_empty_database_says_what_to_run(open_page: Opener) -> None:
    page = open_page(PAGE)
    expect(page.get_by_role("heading", name="Nothing is stored for 1h yet")).to_be_visible()
    page.get_by_role("link", name="Load history …").click()
    expect(page.get_by_role("heading", name="Klines: initial load")).to_be_visible()
    expect(page.get_by_label("1h")).to_be_checked()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_text("No load has ended")).to_be_visible()


def test_nobody_sees_the_page_without_a_login(site: Site, browser: Any) -> None:
    context = browser.new_context()
    answer = context.new_page().goto(site.url + PAGE)
    context.close()
    assert answer is not None
    assert answer.status == 401


@pytest.fixture(scope="module")
def filled(site: Site) -> Site:
    """The system with months of candles and every trouble that the page can show."""
    data.fill(site, months=6)
    return site


def test_the_page_opens_from_the_navigation_and_says_that_candles_are_simulated(
    filled: Site, open_page: Opener
) -> None:
    frame = coverage(open_page())
    expect(frame.get_by_role("link", name="BTC", exact=True)).to_be_visible()
    expect(frame.get_by_role("note")).to_contain_text("SIMULATED")
    expect(frame.locator("#as-of")).to_contain_text(re.compile(r"as of 20\d\d-.* UTC, .* ago; measured .* ago"))


def test_filters_are_in_the_address_and_survive_a_reload(filled: Site, open_page: Opener) -> None:
    page = open_page()
    frame = coverage(page)
    frame.get_by_role("searchbox").fill("so")
    expect(frame.get_by_text(re.compile(r"^1 of \d+ series$"))).to_be_visible()
    expect(frame.get_by_role("link", name="BTC", exact=True)).to_be_hidden()
    expect(page).to_have_url(re.compile(r"/plugin/coverage/coverage/#/\?q=so$"))
    page.reload()
    expect(frame.get_by_role("searchbox")).to_have_value("so")
    expect(frame.get_by_role("link", name="SOL", exact=True)).to_be_visible()
    frame.get_by_role("link", name="1d").click()
    expect(page).to_have_url(re.compile(r"#/\?q=so&timeframe=1d$"))
    expect(frame.get_by_role("link", name="1d")).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(frame.get_by_role("link", name="1h")).to_have_attribute("aria-current", "true")
    frame.get_by_role("searchbox").fill("")
    frame.get_by_label("only problems").check()
    expect(frame.get_by_role("link", name="MKR", exact=True)).to_be_hidden()
    expect(frame.get_by_role("link", name="SOL", exact=True)).to_be_visible()
    frame.get_by_label("Tier", exact=True).select_option("extended")
    expect(frame.get_by_role("link", name="SOL", exact=True)).to_be_hidden()
    with page.expect_download() as download:
        frame.get_by_role("link", name="CSV").click()
    rows = download.value.path().read_text().splitlines()
    assert rows[0].startswith("symbol,")
    shown = set(frame.locator(".grid-name").all_inner_texts())
    assert data.HOSTILE in shown
    assert {row.partition(",")[0] for row in rows[1:]} == shown


def test_pointer_and_keyboard_tell_the_same_of_a_month(filled: Site, open_page: Opener) -> None:
    page = open_page(PAGE)
    hole = data.hole(filled)
    page.get_by_role("link", name="SOL", exact=True).wait_for()
    page.locator(".grid-cell").focus()
    page.keyboard.press("Control+Home")
    expect(month(page, f"^BTC {hole.months[0]}: ")).to_be_focused()
    page.get_by_role("searchbox").fill("SOL")
    page.locator(".grid-cell").focus()
    for _ in hole.months[: hole.months.index(hole.month)]:
        page.keyboard.press("ArrowRight")
    words = rf"^SOL {hole.month}: {hole.present} of {hole.expected} candles, missing: "
    expect(month(page, words)).to_be_focused()
    tip = page.get_by_role("tooltip")
    told = tip.inner_text()
    assert f"SOL 1h, {hole.month}" in told
    assert {str(hole.expected), str(hole.present)} <= set(re.findall(r"\d+", told))
    box = page.locator(".grid-cell").bounding_box()
    assert box is not None
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    expect(tip).to_be_visible()
    assert tip.inner_text() == told
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    expect(page).to_have_url(re.compile(rf"#/series/SOL/1h\?start={hole.month}-01&end="))


def test_a_series_shows_its_hole_and_how_to_read_it(filled: Site, open_page: Opener) -> None:
    page = open_page(PAGE)
    page.get_by_role("link", name="SOL", exact=True).click()
    expect(page.get_by_role("heading", name="SOL 1h")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Close and volume of SOL 1h")).locator("canvas")).to_be_visible()
    gaps = page.get_by_role("region", name="Gaps")
    expect(gaps.get_by_role("row").nth(1)).to_contain_text(str(data.hole(filled).gap))
    with page.expect_download() as download:
        page.get_by_role("link", name="Gaps as CSV").click()
    assert download.value.path().read_text().startswith("start,end,missing,cause,")
    page.get_by_role("button", name="Copy Python").click()
    wait_until(lambda: copied(page).startswith('load_ohlcv("SOL", '), "the call to be copied")
    page.get_by_role("button", name="Copy SQL").click()
    wait_until(lambda: copied(page).startswith("SELECT * FROM ohlcv('SOL', "), "the query to be copied")
    chart = page.get_by_role("img", name=re.compile("Close and volume"))
    chart.focus()
    page.keyboard.press("End")
    expect(page.get_by_text(re.compile(r"UTC: open .* close .* volume"))).to_be_visible()
    page.get_by_role("link", name="30 days").click()
    expect(page).to_have_url(re.compile(r"start=20\d\d-"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"#/series/SOL/1h$"))
    page.go_back()
    expect(page.get_by_role("grid")).to_be_visible()


def test_tables_sort_and_remember_it_in_the_address(filled: Site, open_page: Opener) -> None:
    page = open_page(f"{PAGE}#/overview")
    worst = page.get_by_role("region", name="The worst twenty series")
    expect(worst.get_by_role("columnheader", name="Adjusted")).to_have_attribute("aria-sort", "ascending")
    worst.get_by_role("button", name="Missing").click()
    page.reload()
    expect(worst.get_by_role("columnheader", name="Missing")).to_have_attribute("aria-sort", "descending")
    expect(worst.get_by_role("row").nth(1)).to_contain_text("DOGE 1h")
    expect(page.get_by_role("region", name="Runs of the Dags").get_by_role("row")).to_have_count(8)


def test_a_symbol_that_is_markup_shows_as_text(filled: Site, open_page: Opener) -> None:
    page = open_page(PAGE)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.get_by_role("link", name=data.HOSTILE, exact=True).click()
    expect(page.get_by_role("heading", name=f"{data.HOSTILE} 1h")).to_be_visible()
    assert page.locator("main script, main img[src]").count() == 0
    assert page.title() == f"{data.HOSTILE} 1h · Coverage"


def test_what_is_not_there_is_said_in_a_sentence(filled: Site, open_page: Opener) -> None:
    page = open_page("/plugin/coverage/coverage/#/series/NOPE/1h")
    frame = page.frame_locator("iframe[title=Coverage]")
    expect(frame.get_by_role("alert")).to_contain_text("Nothing of NOPE 1h is stored: klines_initial_load loads it")
    open_page(f"{PAGE}#/nowhere").get_by_text("There is no view named nowhere: use the links above.").wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1440", "390"])
def test_every_view_is_usable_by_everybody_and_fits(
    filled: Site, open_page: Opener, theme: str, size: dict[str, int], pictures: Path | None
) -> None:
    page = open_page(PAGE, theme=theme, size=size)
    for view, address in VIEWS.items():
        page.evaluate("address => { location.hash = address }", address)
        page.locator(f"main > .{view}:visible").wait_for()
        assert page.locator("html").get_attribute("data-theme") == theme
        data.assert_accessible(page, f"{view}, {theme}, {size['width']}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{view} is too wide"
        if pictures:
            page.screenshot(path=pictures / f"{view}-{theme}-{size['width']}.png")


def test_the_page_follows_airflows_theme_while_it_is_open(filled: Site, open_page: Opener) -> None:
    page = open_page()
    frame = coverage(page)
    expect(frame.locator("html")).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name="User").click()
    page.get_by_role("menuitem", name="Appearance").hover()
    page.get_by_role("menuitemradio", name="Dark").or_(page.get_by_role("menuitem", name="Dark")).first.click()
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_prefilled_form_starts_a_run_that_mends_the_hole(filled: Site, open_page: Opener) -> None:
    page = open_page()
    frame = coverage(page)
    hole = data.hole(filled)
    frame.get_by_role("link", name="SOL", exact=True).click()
    frame.get_by_role("link", name="Fill the gaps …").click()
    expect(frame.get_by_role("heading", name="Klines: weekly gap fill")).to_be_visible()
    expect(frame.get_by_label("Symbols")).to_have_value("SOL")
    expect(frame.get_by_label("The Dag is paused: unpause it")).to_be_checked()
    frame.get_by_role("link", name="Back").click()
    frame.get_by_role("link", name="Load again …").click()
    expect(frame.get_by_role("heading", name="Klines: initial load")).to_be_visible()
    expect(frame.get_by_label("Symbols")).to_have_value("SOL")
    expect(frame.get_by_label("1h")).to_be_checked()
    expect(frame.get_by_label("First day")).to_have_value(re.compile(r"20\d\d-"))
    frame.get_by_role("button", name="Run it").click()
    outcome = frame.locator(".outcome")
    expect(outcome).to_contain_text("The run ended", timeout=RUN_MS)
    expect(outcome).to_contain_text("The run ended: success")
    with psycopg.connect(filled.market) as conn:
        assert data.missing(conn, "SOL", "1h") == 0

    frame.get_by_role("link", name="Show it in Airflow").click()
    expect(page).to_have_url(re.compile(r"/dags/klines_initial_load/runs/"))
    expect(page.get_by_text("Success").first).to_be_visible()

    page.goto(f"{filled.url}{PAGE}#/?q=SOL")
    page.locator(".grid-cell").focus()
    for _ in hole.months[hole.months.index(hole.month) + 1 :]:
        page.keyboard.press("ArrowLeft")
    expect(month(page, rf"^SOL {hole.month}: ")).to_be_focused()

    def mended() -> bool:
        page.get_by_role("button", name="Refresh").click()
        words = page.locator(".grid-cell").get_attribute("aria-label") or ""
        return words.startswith(f"SOL {hole.month}: ") and f" {hole.present} of" not in words

    wait_until(mended, "the heatmap to show the mended month")


def test_450_symbols_and_72_months_are_painted_at_once(filled: Site, open_page: Opener) -> None:
    data.many_symbols(filled)
    page = open_page(f"{PAGE}#/?timeframe=4h")
    expect(page.get_by_text(re.compile(r"^45\d series$"))).to_be_visible()
    entries = "performance.getEntriesByName('heatmap-painted').map((entry) => entry.startTime)"
    wait_until(lambda: bool(page.evaluate(entries)), "the first heatmap to be painted")
    [painted] = page.evaluate(entries)
    sys.stdout.write(f"450 series × 72 months on the screen after {painted:.0f} ms; the goal is under 1,500\n")
    page.locator(".grid-cell").focus()
    page.keyboard.press("Control+End")
    expect(month(page, r"^X99 ")).to_be_focused()
    assert page.locator(".grid-row").count() < 80, "rows out of view are not in the document"


def test_real_recordings_are_shown_as_they_were(filled: Site, open_page: Opener, recordings: Path) -> None:
    data.show_recordings(filled, recordings)
    page = open_page(f"{PAGE}#/series/BTC/1h?start=2020-01-01&end=2022-10-11")
    gaps = page.get_by_role("region", name="Gaps")
    expect(gaps.get_by_role("cell", name="exchange outage")).to_have_count(14)
    expect(page.get_by_role("note")).to_be_hidden()
