"""Pages ahead: all rows, in order, whatever is missing between them and whoever answers first."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from binance_plugin import paging
from binance_plugin.errors import MalformedAnswer
from binance_plugin.paging import PAGES_AHEAD, Rows, pages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PATIENCE = 20.0
PAGE = 5
STEP = 60_000


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_ROWS", PAGE)


def exchange(candles: Iterable[int], end: int, asked: list[int] | None = None) -> Callable[[int], Rows]:
    """Answers as GET /klines does; candles and times are counted in steps."""
    opens = sorted(candle * STEP for candle in candles)

    def ask(since: int) -> Rows:
        if asked is not None:
            asked.append(since // STEP)
        return [[opened] for opened in opens if since <= opened < end * STEP][:PAGE]

    return ask


def read(ask: Callable[[int], Rows], end: int) -> list[int]:
    pages = list(pages_of(ask, 0, end * STEP, STEP, name="BTCUSDT 1m"))
    assert all(pages), "an empty page is not yielded"
    return [row[0] // STEP for page in pages for row in page]


@given(candles=st.sets(st.integers(-5, 130)), end=st.integers(0, 120))
def test_the_rows_are_those_that_there_are_whatever_is_missing(candles: set[int], end: int) -> None:
    assert read(exchange(candles, end), end) == sorted(candle for candle in candles if 0 <= candle < end)


def test_nothing_is_asked_for_ahead_before_a_page_was_full() -> None:
    asked: list[int] = []
    assert read(exchange(range(3), 1000, asked), 1000) == [0, 1, 2]
    assert asked == [0]


@pytest.mark.parametrize("candles", [range(8), range(3), range(2, 8), range(0)])
def test_two_pages_that_are_all_are_asked_for_at_once(candles: range) -> None:
    asked: list[int] = []
    whole, both = exchange(candles, 8, asked), threading.Barrier(2, timeout=PATIENCE)

    def ask(since: int) -> Rows:
        if since in {0, PAGE * STEP}:
            both.wait()
        return whole(since)

    assert read(ask, 8) == list(candles)
    assert {0, PAGE} <= set(asked)
    assert no_threads()


def test_without_a_hole_each_page_is_asked_for_once() -> None:
    asked: list[int] = []
    assert read(exchange(range(53), 53, asked), 53) == list(range(53))
    assert sorted(asked) == list(range(0, 53, PAGE))


@pytest.mark.parametrize("candles", [[*range(7), *range(9, 40)], [0, *range(3, 40)], [*range(12), *range(20, 40)]])
def test_a_hole_costs_no_request(candles: list[int]) -> None:
    asked: list[int] = []
    assert read(exchange(candles, 40, asked), 40) == candles
    assert len(asked) == len(set(asked)) <= 40 // PAGE


@pytest.mark.parametrize("end", [2 * PAGE, 8 * PAGE])
@pytest.mark.parametrize("between", range(3 * PAGE))
def test_a_candle_off_the_grid_loses_none_behind_its_page(between: int, end: int) -> None:
    grid = range(0, end * STEP, STEP)
    opens = sorted({*grid, between * STEP + STEP // 2})  # its page ends early, or with it

    def ask(since: int) -> Rows:
        return [[opened] for opened in opens if since <= opened < end * STEP][:PAGE]

    pages = pages_of(ask, 0, end * STEP, STEP, name="BTCUSDT 1m")
    found = [row[0] for page in pages for row in page]
    assert found == sorted(set(found))
    assert [opened for opened in found if opened in grid] == list(grid)


def test_pages_that_a_long_hole_makes_superfluous_are_forgotten() -> None:
    asked: list[int] = []
    candles = [*range(7), *range(900, 1000)]
    assert read(exchange(candles, 1000, asked), 1000) == candles
    assert len(asked) <= 2 + PAGES_AHEAD + 100 // PAGE


def test_pages_are_under_way_at_once_and_come_in_order() -> None:
    begun, release = threading.Semaphore(0), threading.Event()
    whole = exchange(range(30), 30)

    def ask(since: int) -> Rows:
        if since:
            begun.release()
            assert release.wait(PATIENCE)
        return whole(since)

    with ThreadPoolExecutor(1) as reader:
        rows = reader.submit(read, ask, 30)
        for _ in range(PAGES_AHEAD):
            assert begun.acquire(timeout=PATIENCE), "they wait for each other"
        release.set()
        assert rows.result(PATIENCE) == list(range(30))


def test_an_error_comes_behind_the_pages_before_it_and_leaves_no_thread() -> None:
    whole = exchange(range(30), 30)

    def ask(since: int) -> Rows:
        if since == 10 * STEP:
            raise MalformedAnswer("the third page")
        return whole(since)

    pages = pages_of(ask, 0, 30 * STEP, STEP, name="BTCUSDT 1m")
    assert [next(pages)[0][0], next(pages)[0][0]] == [0, 5 * STEP]
    with pytest.raises(MalformedAnswer, match="the third page"):
        next(pages)
    assert no_threads()


def test_a_reader_that_stops_leaves_no_thread() -> None:
    pages = pages_of(exchange(range(30), 30), 0, 30 * STEP, STEP, name="BTCUSDT 1m")
    next(pages)
    pages.close()  # type: ignore[attr-defined]  # it is a generator
    assert no_threads()


def test_a_page_that_does_not_advance_is_malformed_and_not_an_endless_loop() -> None:
    asked: list[int] = []

    def ask(since: int) -> Rows:
        asked.append(since)
        return [[opened * STEP] for opened in range(PAGE)]

    with pytest.raises(
        MalformedAnswer, match="BTCUSDT 1m: the page from 1970-01-01 00:05 UTC ends before it, at 240000"
    ):
        read(ask, 1000)
    assert len(asked) <= 1 + PAGES_AHEAD


def no_threads() -> bool:
    return not any(thread.name.startswith("klines") for thread in threading.enumerate())
