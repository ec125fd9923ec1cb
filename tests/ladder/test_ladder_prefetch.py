"""How far the ladder works ahead of its caller: with a source that a test holds and releases by hand."""

from __future__ import annotations

import io
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from binance_plugin.archive import ArchiveDownload
from binance_plugin.errors import GeoBlocked
from include.klines.intervals import TIMEFRAMES
from include.klines.ladder.ahead import PARTS_AHEAD
from include.klines.ladder.archive_csv import period_window
from include.klines.ladder.climbing import fetch_parts
from tests.ladder.conftest import span, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.klines.ladder.parts import Part

DAY = TIMEFRAMES["1d"]
PARALLEL = 3
PATIENCE = 20.0


class HeldSource:
    """An archive of flat 1d candles. A download begins, is noted, and ends when its period is released."""

    def __init__(self, *, released: bool = True) -> None:
        self.begun: list[str] = []
        self.running = 0
        self.most_running = 0
        self.threads: set[str] = set()
        self._changed = threading.Condition()
        self._all_released = released
        self._released: set[str] = set()

    def release(self, *periods: str) -> None:
        with self._changed:
            self._released |= set(periods)
            self._all_released |= not periods
            self._changed.notify_all()

    def wait_until_begun(self, count: int) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, PATIENCE), f"only {self.begun} began"
            return sorted(self.begun)

    def wait_until_begins(self, period: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: period in self.begun, PATIENCE), f"only {self.begun} began"

    def archive_file(self, exchange_symbol: str, interval: str, period: str) -> ArchiveDownload:
        with self._changed:
            self.begun.append(period)
            self.threads.add(threading.current_thread().name)
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._all_released or period in self._released, PATIENCE)
            self.running -= 1
        return ArchiveDownload(f"http://archive/{period}.zip", "0" * 64, None, _zip(exchange_symbol, period))

    def iter_klines(
        self, exchange_symbol: str, interval: str, start: datetime, end: datetime
    ) -> Iterator[list[list[Any]]]:
        raise AssertionError("nothing is missing, so REST is not asked")


def _zip(exchange_symbol: str, period: str) -> bytes:
    covers, buffer = period_window(period), io.BytesIO()
    opens = range(int(covers.start.timestamp()), int(covers.end.timestamp()), DAY.seconds)
    rows = "".join(f"{opened * 1000},1,1,1,1,0,0,0,0,0,0,0\n" for opened in opens)
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{exchange_symbol}-1d-{period}.csv", rows)
    return buffer.getvalue()


def parts(source: HeldSource, start: str = "2022-01-01", end: str = "2023-01-01") -> Iterator[Part]:
    return fetch_parts(
        source,
        symbol="BTC",
        exchange_symbol="BTCUSDT",
        timeframe=DAY,
        window=span(start, end),
        closed_before=datetime(2025, 1, 1, tzinfo=UTC),
        parallel=PARALLEL,
    )


@contextmanager
def reading(source: HeldSource) -> Iterator[Iterator[Part]]:
    """The parts of a source; a test that fails in the middle leaves no thread to the next one either."""
    found = parts(source)
    try:
        yield found
    finally:
        source.release()
        found.close()  # type: ignore[attr-defined]  # it is a generator


def ladder_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("ladder", "archive"))]


def test_parts_come_in_order_although_files_arrive_in_any_order() -> None:
    source = HeldSource(released=False)
    with reading(source) as found, ThreadPoolExecutor(1) as reader:
        read = reader.submit(lambda: list(found))
        assert source.wait_until_begun(PARALLEL) == ["2022-01", "2022-02", "2022-03"]
        source.release("2022-03", "2022-02")
        source.wait_until_begun(PARALLEL + 2)  # whoever had those took the next ones: they arrived before January
        source.release()
        result = read.result(PATIENCE)
    assert [part.window.start.month for part in result] == list(range(1, 13))
    assert [len(part.candles) for part in result] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def test_no_more_files_are_downloaded_at_once_or_ahead_than_parallel_allows() -> None:
    source = HeldSource()
    with reading(source) as found:
        for month in range(1, 7):
            assert next(found).window.start == utc(f"2022-{month:02d}-01")
            # one part in the caller's hands, those made ahead, and the files behind them
            assert source.wait_until_begun(month + 1)[-1] <= f"2022-{month + PARTS_AHEAD + PARALLEL:02d}"
    assert sorted(source.begun) == [f"2022-{number:02d}" for number in range(1, len(source.begun) + 1)]
    assert source.most_running <= PARALLEL


def test_the_next_part_is_made_while_the_caller_works_on_this_one() -> None:
    source = HeldSource(released=False)
    source.release("2022-01")
    with reading(source) as found:
        assert next(found).window.start == utc("2022-01-01")
        # the caller is busy now, and yet:
        source.wait_until_begins("2022-02")
        source.release()
        assert next(found).window.start == utc("2022-02-01")


def test_a_single_part_starts_no_thread() -> None:
    source = HeldSource()
    assert len(list(parts(source, "2022-01-01", "2022-02-01"))) == 1
    assert source.threads == {threading.current_thread().name}


def test_no_thread_is_left_behind_whether_it_ends_early_or_not() -> None:
    source = HeldSource()
    list(parts(source))
    assert ladder_threads() == []
    with reading(source) as found:
        next(found)
    assert ladder_threads() == []
    assert len(source.begun) < 24


class Locked:
    """A source behind a geo-block."""

    def __init__(self) -> None:
        self.asked = 0

    def archive_file(self, exchange_symbol: str, interval: str, period: str) -> ArchiveDownload:
        raise AssertionError("source is rest")

    def iter_klines(
        self, exchange_symbol: str, interval: str, start: datetime, end: datetime
    ) -> Iterator[list[list[Any]]]:
        self.asked += 1
        raise GeoBlocked("451")


def test_nothing_is_asked_for_behind_a_part_that_failed() -> None:
    source = Locked()
    found = fetch_parts(
        source,
        symbol="BTC",
        exchange_symbol="BTCUSDT",
        timeframe=TIMEFRAMES["1h"],
        window=span("2022-01-01", "2023-01-01"),
        source="rest",
        closed_before=datetime(2025, 1, 1, tzinfo=UTC),
    )
    with pytest.raises(GeoBlocked):
        list(found)
    assert source.asked == 1


def test_an_error_in_a_later_part_comes_after_the_parts_before_it() -> None:
    class FailsInMarch(HeldSource):
        def archive_file(self, exchange_symbol: str, interval: str, period: str) -> ArchiveDownload:
            if period == "2022-03":
                raise MemoryError("no room for March")
            return super().archive_file(exchange_symbol, interval, period)

    with reading(FailsInMarch()) as found:
        assert [next(found).window.start.month, next(found).window.start.month] == [1, 2]
        with pytest.raises(MemoryError, match="March"):
            next(found)
        assert ladder_threads() == []
