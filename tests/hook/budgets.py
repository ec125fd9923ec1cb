"""Budgets of the tests: on a market database, with a sleep that a test does not want, and a clock that it moves."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from binance_plugin.budget import WeightBudget
from include.klines.settings import ROOT
from tests.hook.scripted import Reply

ADDRESS = "https://exchange.example"
TIME = "/api/v3/time"
CLOCK = ROOT / "tests" / "year" / "clock.sql"
NOW = Reply(body=b'{"serverTime": 1704067200000}')


class Refused(Exception):
    """Raised by a sleep that a test does not want."""


def refuse_to_sleep(seconds: float) -> None:
    raise Refused(seconds)


def shared(dsn: str, address: str = ADDRESS, **options: Any) -> WeightBudget:
    return WeightBudget(
        lambda: psycopg.connect(dsn, autocommit=True), address, **({"sleep": refuse_to_sleep} | options)
    )


def stop_clock(dsn: str) -> None:
    """From the next connection on, the clock of this database moves by `elapse` only, from a quarter of a second on."""
    with psycopg.connect(dsn) as conn:
        conn.execute(CLOCK.read_bytes())
        conn.execute("UPDATE simulated.clock SET moment = date_trunc('second', moment) + interval '250 milliseconds'")
        path = sql.SQL("ALTER DATABASE {} SET search_path = public, simulated, pg_catalog")
        conn.execute(path.format(sql.Identifier(conn.info.dbname)))


def elapse(dsn: str, seconds: float) -> None:
    """Let time pass for a database whose clock stands still."""
    with psycopg.connect(dsn) as conn:
        conn.execute(
            "UPDATE simulated.clock SET moment = moment + make_interval(secs => %(seconds)s::double precision)",
            {"seconds": seconds},
        )


def row(dsn: str) -> dict[str, Any]:
    with psycopg.connect(dsn, row_factory=psycopg.rows.dict_row) as conn:
        found = conn.execute("SELECT * FROM exchange_budget").fetchone()
        assert found is not None
        return found
