"""What the scheduled Dags do, task by task, without Airflow: against a simulated exchange and a real PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from binance_plugin.client import BinanceClient
from include.klines.clock import ExchangeClock
from include.klines.load.lanes import Lane, plan_lanes
from include.klines.load.loading import LaneLoader, LaneReport
from include.klines.load.planning import Scope, load_scope, plan_series
from include.klines.params import validate_increment_request, validate_load_request, validate_range_request
from include.klines.quality.closing import measure_scope
from include.klines.settings import enabled_timeframes
from include.klines.spans import increment_span, last_midnight, month_before
from include.klines.universe.selection import fetch_listings
from include.klines.upkeep.gap_filling import GapLoader, Outcome, find_gaps, gap_lanes, outcome
from include.klines.upkeep.increments import increment_lanes, increment_scope
from include.klines.upkeep.scope import keep_universe, stored_series
from include.klines.upkeep.second_look import file_lanes

if TYPE_CHECKING:
    import psycopg


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def scheduled(start: str, end: str) -> Any:
    """A scheduled run's Dag run, as far as its data interval goes."""
    return SimpleNamespace(
        run_type="scheduled", logical_date=utc(start), data_interval_start=utc(start), data_interval_end=utc(end)
    )


@dataclass(frozen=True)
class Address:
    """An exchange that another process runs."""

    url: str


@dataclass(frozen=True)
class Upkeep:
    """The scheduled Dags against one exchange and one database."""

    conn: psycopg.Connection
    exchange: Any  # an Exchange, or the Address of one

    @property
    def client(self) -> BinanceClient:
        return BinanceClient.from_url(
            self.exchange.url, sleep=lambda seconds: None, request_interval=0.0, burst_pause=0.0
        )

    def load(self, **params: Any) -> list[LaneReport]:
        """klines_initial_load."""
        client = self.client
        clock = ExchangeClock.read(client)
        request = validate_load_request(params, clock=clock.now())
        scope = load_scope(client, self.conn, request, clock)
        lanes = plan_lanes(plan_series(fetch_listings(self.conn), scope))
        reports = self._run(lanes, client, clock, source=request.source)
        measure_scope(client, self.conn, scope, clock.now())
        return reports

    def daily(self, day: str, **params: Any) -> list[LaneReport]:
        """The scheduled run for `day`: from 02:00 of it to 02:00 of the next."""
        start = utc(day).replace(hour=2)
        end = datetime.fromtimestamp(start.timestamp() + 86_400, UTC)
        return self.increment(scheduled(f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}"), **params)[1]

    def increment(self, run: Any, **params: Any) -> tuple[Scope, list[LaneReport]]:
        """klines_daily_increment for a Dag run."""
        client = self.client
        clock = ExchangeClock.read(client)
        request = validate_increment_request(params)
        notes = keep_universe(client, self.conn, clock=clock.now(), symbols=request.symbols)
        listings = fetch_listings(self.conn)
        scope = increment_scope(self.conn, listings, request, increment_span(run, clock.now()), notes)
        scope = Scope.from_json(scope.to_json())
        lanes = increment_lanes(self.conn, listings, scope, request.lookback, clock.now())
        reports = self._run(lanes, client, clock, dag_id="klines_daily_increment")
        measure_scope(client, self.conn, scope, clock.now())
        return scope, reports

    def weekly(self, sunday: str, **params: Any) -> tuple[Outcome, list[LaneReport]]:
        """klines_weekly_gap_fill, run on `sunday`."""
        client = self.client
        clock = ExchangeClock.read(client)
        until = last_midnight(scheduled("2020-01-01", f"{sunday} 03:00"), clock.now())
        request = validate_range_request(params, until=until)
        series = stored_series(
            self.conn,
            fetch_listings(self.conn),
            symbols=request.symbols,
            timeframes=request.timeframes,
            limit=request.limit,
        )
        scope = Scope.of_series(series, request.window)
        measure_scope(client, self.conn, scope, clock.now())
        lanes, reports = self._fill(scope, client, clock, request.max_attempts)
        measure_scope(client, self.conn, scope, clock.now())
        return outcome(self.conn, lanes, scope, request.max_attempts), reports

    def monthly(self, first: str) -> tuple[Scope, list[LaneReport]]:
        """klines_monthly_consolidation, run on `first`: its scope and the reports of the files that were read again."""
        client = self.client
        clock = ExchangeClock.read(client)
        month = month_before(scheduled("2020-01-01", f"{first} 05:00"), clock.now())
        notes = keep_universe(client, self.conn, clock=clock.now())
        series = stored_series(self.conn, fetch_listings(self.conn), timeframes=enabled_timeframes())
        scope = Scope.of_series(series, month, notes)
        measure_scope(client, self.conn, scope, clock.now())
        again = file_lanes(client, self.conn, fetch_listings(self.conn), scope)
        self._fill(scope, client, clock, 3)
        reports = self._run(again, client, clock, source="archive")
        measure_scope(client, self.conn, scope, clock.now())
        return scope, reports

    def _fill(
        self, scope: Scope, client: BinanceClient, clock: ExchangeClock, max_attempts: int
    ) -> tuple[list[Lane], list[LaneReport]]:
        lanes = gap_lanes(fetch_listings(self.conn), find_gaps(self.conn, scope, max_attempts))
        loader = GapLoader(self.conn, client, clock, "klines_weekly_gap_fill", "run")
        return lanes, [loader.load(lane) for lane in lanes]

    def _run(
        self,
        lanes: list[Lane],
        client: BinanceClient,
        clock: ExchangeClock,
        *,
        dag_id: str = "test",
        source: Any = "auto",
    ) -> list[LaneReport]:
        loader = LaneLoader(self.conn, client, clock, dag_id, "run", source)
        return [loader.load(Lane.from_json(lane.to_json())) for lane in lanes]


def inserted(reports: Any) -> int:
    return sum(report.counts.inserted for report in reports)


def spans(upkeep: Upkeep) -> list[tuple[Any, ...]]:
    """What is stored of BTC, by timeframe: first and last open time, candles."""
    statement = b"""SELECT timeframe, min(timestamp), max(timestamp), count(*) FROM market_data
        WHERE symbol = 'BTC' GROUP BY 1 ORDER BY 1"""
    return upkeep.conn.execute(statement).fetchall()
