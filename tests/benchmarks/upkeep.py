"""What keeping up to date costs: the scheduled Dags in a real Airflow, as `make run` starts it.

A daily increment of the core list is measured as a backfill of the last days, one after the other: from the start of
the Dag run to its end in Airflow's own books. A catchup is measured from the first start to the last end, whole months
of it from the archive, two runs at a time as the Dag allows. PostgreSQL writes through, requests are paced as by
default.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql as identifiers

from include.klines.universe.config import load_universe
from tests.benchmarks import machine
from tests.benchmarks.table import Row
from tests.e2e.scheduler import running_airflow
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.scheduler import RunningAirflow
    from tests.exchange import Exchange

DAILY = "klines_daily_increment"
CATCHUP_DAYS = 60
AFTER_THE_CATCHUP = "2025-12-20T10:00:00Z"
"""By then the months of the catchup have been over for 15 days, so that the archive has their files."""
PATIENCE = 1800


def run(rounds: int) -> list[Row]:
    """Some days one after the other, then sixty as they come."""
    core = len(load_universe().core)
    caught_up = 4 if machine.quick else CATCHUP_DAYS
    with machine.exchange() as exchange, machine.postgres() as server:
        exchange.set_clock(datetime.now(UTC).isoformat())
        with _airflow(server, exchange) as airflow:
            days = [_seconds(each) for each in backfill(airflow, days=rounds + 1)[1:]]
            lanes = _lanes(airflow)
        exchange.set_clock(AFTER_THE_CATCHUP)
        with _airflow(server, exchange) as airflow:
            runs = catch_up(airflow, caught_up)
    minutes = (_moment(runs[-1]["end_date"]) - _moment(runs[0]["start_date"])).total_seconds() / 60
    return [
        Row(
            work=f"daily increment through Airflow, core list of {core}, 1h and 1d, {lanes} lanes",
            ours=days,
            unit="s",
            lower_is_better=True,
        ),
        Row(
            work=f"catchup of {caught_up} days through Airflow, the same pairs",
            ours=[caught_up / minutes],
            unit="runs a minute",
        ),
    ]


@contextmanager
def _airflow(server: Any, exchange: Exchange) -> Iterator[RunningAirflow]:
    """Airflow on two new databases, with the pacing of `make run`."""
    metadata = f"airflow_{secrets.token_hex(4)}"
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(identifiers.SQL("CREATE DATABASE {}").format(identifiers.Identifier(metadata)))
    with running_airflow(server.dsn(metadata), machine.fresh_database(server), exchange.url) as airflow:
        yield airflow


def backfill(airflow: RunningAirflow, days: int) -> list[dict[str, Any]]:
    """Runs of the last `days` days, one after the other; the first of them finds an empty database.

    The newest is yesterday's, and Airflow goes on behind it: no catchup runs beside them.
    """
    due = (datetime.now(UTC) - timedelta(hours=2)).date()
    span = ["--from-date", str(due - timedelta(days=days)), "--to-date", str(due)]
    airflow.cli("backfill", "create", "--dag-id", DAILY, *span, "--max-active-runs", "1")
    made = [run["dag_run_id"] for run in airflow.runs(DAILY)]
    behind = "SELECT next_dagrun >= %s::date FROM dag WHERE dag_id = %s"
    wait_until(lambda: airflow.ask_metadata(behind, due, DAILY) == [(True,)], "the Dag to be parsed again", seconds=300)
    airflow.unpause(DAILY)
    states = airflow.wait_for(DAILY, made, seconds=PATIENCE)
    airflow.unpause(DAILY, pause=True)
    _all_well(states)
    return [run for run in airflow.runs(DAILY) if run["dag_run_id"] in made]


def catch_up(airflow: RunningAirflow, days: int) -> list[dict[str, Any]]:
    """The first runs of a catchup from nothing, by the time they ended."""
    airflow.unpause(DAILY)
    wait_until(lambda: len(_ended(airflow)) >= days, f"{days} runs to end", seconds=PATIENCE)
    airflow.unpause(DAILY, pause=True)
    runs = _ended(airflow)[:days]
    _all_well({run["dag_run_id"]: run["state"] for run in runs})
    return runs


def _ended(airflow: RunningAirflow) -> list[dict[str, Any]]:
    return sorted((run for run in airflow.runs(DAILY) if run["end_date"]), key=lambda run: run["end_date"])


def _lanes(airflow: RunningAirflow) -> int:
    """How many lanes the newest run had."""
    counts = "SELECT run_id, count(*) FROM task_instance WHERE task_id = 'load_lane' GROUP BY run_id ORDER BY run_id"
    return int(airflow.ask_metadata(counts)[-1][1])


def _all_well(states: dict[str, str]) -> None:
    if failed := [run_id for run_id, state in states.items() if state != "success"]:
        raise RuntimeError(f"{len(failed)} runs failed, so nothing was measured: {', '.join(failed)}")


def _seconds(run: dict[str, Any]) -> float:
    return (_moment(run["end_date"]) - _moment(run["start_date"])).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
