"""Budgets of the tests: on a market database, with a sleep that a test does not want, and time that passes at once."""

from __future__ import annotations

import math
from typing import Any

import psycopg

from binance_plugin.budget import WeightBudget
from tests.hook.scripted import Reply

ADDRESS = "https://exchange.example"
TIME = "/api/v3/time"
NOW = Reply(body=b'{"serverTime": 1704067200000}')


class Refused(Exception):
    """Raised by a sleep that a test does not want."""


def refuse_to_sleep(seconds: float) -> None:
    raise Refused(seconds)


def shared(dsn: str, address: str = ADDRESS, **options: Any) -> WeightBudget:
    return WeightBudget(
        lambda: psycopg.connect(dsn, autocommit=True), address, **({"sleep": refuse_to_sleep} | options)
    )


def elapse(dsn: str, seconds: float) -> None:
    """Let time pass for the budgets of a database, by moving what they remember into the past."""
    with psycopg.connect(dsn) as conn:
        conn.execute(
            "UPDATE exchange_budget SET newest_second = newest_second - %(whole)s::bigint,"
            " paused_until = paused_until - make_interval(secs => %(whole)s::double precision),"
            " banned_until = banned_until - make_interval(secs => %(whole)s::double precision)",
            {"whole": math.ceil(seconds)},
        )


def row(dsn: str) -> dict[str, Any]:
    with psycopg.connect(dsn, row_factory=psycopg.rows.dict_row) as conn:
        found = conn.execute("SELECT * FROM exchange_budget").fetchone()
        assert found is not None
        return found
