"""The numbers that machines watch: one list, given out as Prometheus text and as Airflow's own metrics.

A figure is a gauge: what is true now, or in the last hour. Counting up is the scraper's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.klines.coverage import machine_health, overview, store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg

PREFIX = "klines_"
HELP = {
    "healthy": "1 where the promise of this check holds, else 0.",
    "simulated": "1 where the candles come from the simulated exchange, else 0.",
    "series": "Stored series.",
    "candles": "Stored candles.",
    "database_bytes": "Size of the market database on disk.",
    "newest_candle_timestamp_seconds": "Open time of the newest stored candle.",
    "last_sync_age_seconds": "Seconds since a window was last loaded with success.",
    "longest_sync_age_seconds": "Seconds since the series that waits longest was synced, of those that still trade.",
    "measured_age_seconds": "Seconds since completeness was last measured.",
    "expected_candles": "Candles expected over the last days.",
    "present_candles": "Candles stored of those.",
    "raw_completeness_ratio": "Stored share of the expected candles, 0 to 1.",
    "adjusted_completeness_ratio": "Stored share of the candles that any load can bring, 0 to 1.",
    "series_below_99_percent": "Series below 99 % adjusted completeness over the last days.",
    "gaps": "Gaps that are there, by cause.",
    "missing_candles": "Candles missing in these gaps, by cause.",
    "requests_last_hour": "Requests to the exchange in the last 60 minutes.",
    "request_errors_last_hour": "Answers 5xx, time-outs, resets and broken bodies in the last 60 minutes.",
    "request_retries_last_hour": "Requests sent again in the last 60 minutes.",
    "rate_limited_last_hour": "Answers 429 and 418 in the last 60 minutes.",
    "windows_last_hour": "Windows loaded or failed in the last 60 minutes.",
    "windows_failed_last_hour": "Windows that failed in the last 60 minutes.",
    "weight_used": "Request weight spent in the last minute.",
    "weight_budget": "Request weight a minute that is used at most.",
    "weight_limit": "Request weight a minute that the exchange allows.",
    "banned_seconds": "Seconds until the last open ban ends; 0 where there is none.",
    "broken_promises": "Rows of sla_miss that have not cleared.",
}
"""Every figure there is, by its name without the prefix."""


@dataclass(frozen=True)
class Figure:
    """One number: a key of HELP, labels, and the value."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


def figures(conn: psycopg.Connection, clock: datetime) -> list[Figure]:
    """All of them, as the database has them now; what is not known has no figure."""
    return [
        Figure(name, tuple(labels.items()), float(value))
        for name, labels, value in _found(conn, clock)
        if value is not None
    ]


def _found(conn: psycopg.Connection, clock: datetime) -> Iterator[tuple[str, dict[str, str], Any]]:
    for check, reasons in machine_health.ask(conn, clock).reasons.items():
        yield "healthy", {"check": check}, not reasons
    yield "simulated", {}, overview.is_simulated(conn)
    (totals,) = store.rows(conn, "totals")
    yield "database_bytes", {}, totals["bytes"]
    yield "measured_age_seconds", {}, _age(clock, totals["measured_at"])
    yield from _stored(conn, clock)
    yield from _completeness(conn)
    for row in store.rows(conn, "missing_by_cause"):
        labels = {"timeframe": row["timeframe"], "cause": row["cause"]}
        yield "gaps", labels, row["gaps"]
        yield "missing_candles", labels, row["missing"]
    (hour,) = store.rows(conn, "last_hour", since=clock - timedelta(hours=1), until=clock)
    for name, value in hour.items():
        yield name, {}, value
    for row in store.rows(conn, "budget"):
        labels = {"address": row["address"]}
        yield "weight_used", labels, row["used_last_minute"]
        yield "weight_budget", labels, row["weight_budget"]
        yield "weight_limit", labels, row["weight_limit"]
        yield "banned_seconds", labels, max(0.0, -(_age(clock, row["banned_until"]) or 0.0))
    open_misses = [miss["what"] for miss in overview.misses(conn, clock) if miss["cleared_at"] is None]
    for what in sorted(set(open_misses)):
        yield "broken_promises", {"what": what}, open_misses.count(what)
    if not open_misses:
        yield "broken_promises", {"what": "none"}, 0


def _stored(conn: psycopg.Connection, clock: datetime) -> Iterator[tuple[str, dict[str, str], Any]]:
    for row in store.rows(conn, "stored_timeframes"):
        labels = {"timeframe": row["timeframe"]}
        yield "series", labels, row["series"]
        yield "candles", labels, row["candles"]
        yield "newest_candle_timestamp_seconds", labels, row["newest_candle"].timestamp()
        yield "longest_sync_age_seconds", labels, _age(clock, row["longest_waiting"])
    last = store.rows(conn, "last_sync")
    yield "last_sync_age_seconds", {}, _age(clock, last[0]["finished_at"]) if last else None


def _completeness(conn: psycopg.Connection) -> Iterator[tuple[str, dict[str, str], Any]]:
    for row in overview.completeness(conn):
        labels = {"timeframe": row["timeframe"] or "all", "days": str(row["days"])}
        yield "expected_candles", labels, row["expected"]
        yield "present_candles", labels, row["present"]
        yield "series_below_99_percent", labels, row["series_below_99"]
        for kind in ("raw", "adjusted"):
            yield f"{kind}_completeness_ratio", labels, None if row[kind] is None else row[kind] / 100


def prometheus(found: Iterable[Figure]) -> tuple[bytes, str]:
    """The figures in Prometheus' text format, and its content type."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for figure in found:
        names = [name for name, _ in figure.labels]
        if figure.name not in gauges:
            gauges[figure.name] = Gauge(PREFIX + figure.name, HELP[figure.name], names, registry=registry)
        gauge = gauges[figure.name]
        (gauge.labels(**dict(figure.labels)) if names else gauge).set(figure.value)
    return generate_latest(registry), CONTENT_TYPE_PLAIN_1_0_0


def _age(clock: datetime, moment: datetime | None) -> float | None:
    return None if moment is None else (clock - moment).total_seconds()
