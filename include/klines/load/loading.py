"""The work of a lane: find what is missing, fetch it down the ladder, store it window by window.

A window that cannot be had fails alone: the others are loaded, then the lane fails and names it. A run that starts
again asks the database what is still missing.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

import psycopg

from binance_plugin.errors import Banned, BinanceError, BudgetUnavailable, Forbidden, GeoBlocked, RateLimited
from include.klines import sql
from include.klines.errors import KlinesError, LoadError
from include.klines.intervals import parse_timeframe
from include.klines.ladder.climbing import fetch_parts
from include.klines.load.store import Counts, Fetched, RunRef, commits_in_passing, record_sync, store_window, touch
from include.klines.quality import measuring
from include.klines.settings import timeframe_settings
from include.klines.windows import Window, chunks

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime

    from binance_plugin.client import BinanceClient
    from include.klines.clock import ExchangeClock
    from include.klines.ladder.climbing import Source
    from include.klines.ladder.parts import Part
    from include.klines.load.lanes import Lane, SeriesPlan

log = logging.getLogger(__name__)

Failure = BinanceError | KlinesError
STOPS_THE_LANE = (Banned, RateLimited, GeoBlocked, Forbidden, BudgetUnavailable)
"""What the next window would only run into again."""


@dataclass
class LaneReport:
    """What a lane did: windows loaded and candles counted; `failures` are sentences."""

    name: str
    windows: int = 0
    counts: Counts = field(default_factory=Counts)
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, str | int]:
        """The report as it travels through XCom."""
        return {"lane": self.name, "windows": self.windows, **self.counts.__dict__}


@dataclass(frozen=True)
class LaneLoader:
    """Loads lanes with one connection and one client.

    source: auto, archive or rest. refresh: fetch what is stored again too, so that revisions are found; a series of a
    lane may ask for it too. A subclass may say how windows are cut (`_pieces`) and stored (`_write`).
    """

    conn: psycopg.Connection
    client: BinanceClient
    clock: ExchangeClock
    dag_id: str
    run_id: str
    source: Source = "auto"
    refresh: bool = False

    def load(self, lane: Lane) -> LaneReport:
        """Load every missing window of the lane. Raises LoadError, after all was tried, where one could not be had."""
        report = LaneReport(lane.name)
        run = RunRef(self.dag_id, self.run_id, lane.name)
        with commits_in_passing(self.conn):
            stored = [series for series in lane.series if self._load(series, run, report)]
        touch(self.conn, stored, self.clock.now())
        if report.failures:
            raise LoadError(
                f"{lane.name}: {len(report.failures)} of {report.windows + len(report.failures)} windows failed, "
                f"clear the task to try them again: {'; '.join(report.failures)}"
            )
        return report

    def _load(self, series: SeriesPlan, run: RunRef, report: LaneReport) -> bool:
        """Load what is missing of a series; whether all of it is stored now."""
        missing = [window for wanted in series.windows for window in self._missing(series, wanted)]
        if not missing:
            log.info("%s is complete: nothing to transfer", series)
            touch(self.conn, [series], self.clock.now())  # now: what stops the lane later does not concern it
        failures = len(report.failures)
        for fetched, error in chain.from_iterable(self._fetch(series, window) for window in missing):
            failure = error or self._store(series, fetched, run, report)
            if failure is not None:
                self._fail(series, fetched, run, report, failure)
        return len(report.failures) == failures

    def _missing(self, series: SeriesPlan, wanted: Window) -> Iterator[Window]:
        """What of `wanted` is neither stored nor explained; all of it, up to the last closed candle, to refresh."""
        timeframe = parse_timeframe(series.timeframe)
        start, closed = timeframe.floor(wanted.start), timeframe.floor(self.clock.now())
        end = min(timeframe.ceil(wanted.end), closed)
        if start >= end:
            return
        binds = {"timeframe": series.timeframe, "window_start": start, "window_end": end}
        self.conn.execute(sql.load("load/ensure_partitions").encode(), binds)
        rows = [(start, end)]
        if not (self.refresh or series.refresh):
            missing = sql.load("load/missing_windows").encode()
            rows = self.conn.execute(missing, binds | {"symbol": series.symbol}).fetchall()
        yield from (Window(starts_at, ends_at) for starts_at, ends_at in rows)

    def _fetch(self, series: SeriesPlan, missing: Window) -> Iterator[tuple[Fetched, Failure | None]]:
        """`missing` down the ladder, cut into the transactions of timeframes.yaml; what failed comes with its error.

        While one piece is stored, the ladder fetches the next. After a failure it begins anew behind the failed piece.
        """
        pieces = deque(self._pieces(series, missing))
        while pieces:
            parts: list[Part] = []
            started_at = self.clock.now()
            with closing(self._parts(series, Window(pieces[0].start, missing.end), started_at)) as ladder:
                try:
                    for part in ladder:
                        parts.append(part)
                        if part.window.end == pieces[0].end:
                            stats = self.client.take_stats()
                            yield Fetched.from_parts(pieces.popleft(), parts, stats, started_at), None
                            parts, started_at = [], self.clock.now()
                except (BinanceError, KlinesError) as error:
                    yield Fetched.failed(pieces.popleft(), error, self.client.take_stats(), started_at), error

    def _pieces(self, series: SeriesPlan, missing: Window) -> Iterator[Window]:
        return chunks(missing, timeframe_settings()[series.timeframe].chunk)

    def _write(self, series: SeriesPlan, fetched: Fetched, run: RunRef) -> Counts:
        return store_window(self.conn, series, fetched, run=run, clock=self.clock.now())

    def _parts(self, series: SeriesPlan, window: Window, closed_before: datetime) -> Generator[Part]:
        yield from fetch_parts(
            self.client,
            symbol=series.symbol,
            exchange_symbol=series.exchange_symbol,
            timeframe=parse_timeframe(series.timeframe),
            window=window,
            source=self.source,
            closed_before=closed_before,
            listed=list(series.windows),
            known_holes=measuring.witnessed_holes(self.conn, series.timeframe, window),
            parallel=self.client.settings.archive_parallel,
        )

    def _store(self, series: SeriesPlan, fetched: Fetched, run: RunRef, report: LaneReport) -> KlinesError | None:
        try:
            counts = self._write(series, fetched, run)
        except KlinesError as failure:
            return failure
        except psycopg.Error as failure:
            reason = str(failure).strip().partition("\n")[0]
            error = LoadError(f"PostgreSQL refused {series} {fetched.window}, nothing of it was stored: {reason}")
            if self.conn.broken or self.conn.closed:
                raise error from failure
            return error
        report.windows += 1
        report.counts += counts
        log.info(
            "%s %s: %s new, %s revised, %s unchanged, %s refused, from %s",
            series,
            fetched.window,
            counts.inserted,
            counts.revised,
            counts.unchanged,
            counts.rejected,
            fetched.source,
        )
        return None

    def _fail(self, series: SeriesPlan, fetched: Fetched, run: RunRef, report: LaneReport, error: Failure) -> None:
        """Record the failed window; raise at once what the next window would only run into again."""
        log.error("%s %s failed: %s", series, fetched.window, error)
        record_sync(self.conn, series, fetched, Counts(), run=run, clock=self.clock.now(), error=str(error))
        if isinstance(error, STOPS_THE_LANE):
            raise error
        report.failures.append(f"{series} {fetched.window}: {error}")
