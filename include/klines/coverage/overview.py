"""One look: totals, completeness, the worst series, requests, broken promises."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.klines import sql
from include.klines.coverage import store
from include.klines.coverage.filters import TIERS, Filters
from include.klines.intervals import TIMEFRAMES
from include.klines.percent import percent
from include.klines.settings import enabled_timeframes

if TYPE_CHECKING:
    import psycopg

WORST = 20
RATE_HOURS = 168
MISSES_SINCE = timedelta(days=30)
MOST_MISSES = 500


def overview(conn: psycopg.Connection, clock: datetime) -> dict[str, Any]:
    """Everything of the overview that the market database knows; runs and deadlines are Airflow's."""
    (totals,) = store.rows(conn, "totals")
    stored = store.rows(conn, "stored_timeframes")
    last = store.rows(conn, "last_sync")
    named = {row["timeframe"] for row in stored} | set(enabled_timeframes())
    return {
        "as_of": clock,
        "measured_at": totals["measured_at"],
        "database": totals["database"],
        "simulated": is_simulated(conn),
        "totals": {name: totals[name] for name in ("series", "candles", "bytes", "newest_candle", "symbols")},
        "timeframes": [name for name in TIMEFRAMES if name in named],
        "by_timeframe": stored,
        "tiers": list(TIERS),
        "completeness": completeness(conn),
        "worst": worst(conn, Filters()),
        "last_sync": {
            "at": last[0]["finished_at"],
            "age_seconds": int((clock - last[0]["finished_at"]).total_seconds()),
            "dag_id": last[0]["dag_id"],
        }
        if last
        else None,
        "rates": store.rows(conn, "rates", clock=clock, hours=RATE_HOURS),
        **budget(conn, clock),
        "misses": misses(conn, clock),
    }


def completeness(conn: psycopg.Connection) -> list[dict[str, Any]]:
    """Over 30, 90 and 365 days, all timeframes together (timeframe None) and each."""
    return [
        row
        | {
            "raw": percent(row["present"], row["expected"]),
            "adjusted": percent(row["present"], row["expected"] - row["unfillable"]),
        }
        for row in store.rows(conn, "completeness")
    ]


def worst(conn: psycopg.Connection, filters: Filters) -> list[dict[str, Any]]:
    """The series with the lowest adjusted completeness over 365 days; what is complete is never among the worst."""
    found = store.rows(conn, "series", **filters.binds, most=WORST)
    return [row for row in found if row["missing"] or row["has_anomalies"]]


def budget(conn: psycopg.Connection, clock: datetime) -> dict[str, Any]:
    """The weight of the address that was used last, and every open ban and pause."""
    known = store.rows(conn, "budget")
    bans = [
        {"address": row["address"], "until": row[column], "reason": reason}
        for row in known
        for column, reason in (
            ("banned_until", "the exchange answered 418: nothing is sent before"),
            ("paused_until", "the exchange answered 429: all tasks wait"),
        )
        if row[column] and row[column] > clock
    ]
    weight = None
    if known:
        first = known[0]
        weight = {
            "address": first["address"],
            "limit": first["weight_limit"],
            "budget": first["weight_budget"],
            "used_last_minute": first["used_last_minute"],
            "updated_at": first["updated_at"],
        }
    return {"weight": weight, "bans": bans}


def misses(conn: psycopg.Connection, clock: datetime) -> list[dict[str, Any]]:
    """Broken promises: open ones first, then those of the last 30 days."""
    return store.rows(conn, "misses", since=clock - MISSES_SINCE, most=MOST_MISSES)


def is_simulated(conn: psycopg.Connection) -> bool:
    """Whether the candles of this database are invented."""
    row = conn.execute(sql.load("local/database_exchange").encode()).fetchone()
    return row is not None and row[0] != "binance"
