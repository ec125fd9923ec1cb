"""What goes wrong in the middle of a load, and the same rows afterwards as if nothing had."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines import sql
from include.klines.database import prepare
from include.klines.errors import LoadError
from include.klines.load import staging
from include.klines.load.loading import LaneLoader
from include.klines.migrate import migrate
from include.klines.settings import ROOT
from include.local.postgres import PostgresServer
from tests.honesty import assert_no_lie
from tests.load.driver import RUN, fingerprint, load, never_wait, rows
from tests.polling import wait_until
from tests.postgres import FAST_AND_UNSAFE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.klines.candles import Candles
    from include.klines.load.lanes import Lane
    from include.klines.load.loading import LaneReport
    from tests.exchange import Exchange

MONTHS = {"symbols": ["BTC"], "timeframes": ["1h"], "start": "2023-06-01", "end": "2025-02-28"}


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may kill; it survives a crash of its process, though not of the machine."""
    with tempfile.TemporaryDirectory(prefix="klines-crash-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)
        server = PostgresServer(Path(folder) / "postgres", "secret", settings=FAST_AND_UNSAFE)
        server.start()
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
            migrate(conn)
        yield server
        server.stop("immediate")


def crash(server: PostgresServer) -> None:
    """Lose what was not committed. Returns when it has ended: until then its processes would go on answering."""
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGQUIT)
    assert server.has_ended(60), server.log_tail()


@pytest.fixture
def undisturbed(market_dsn: str, exchange: Exchange) -> list[tuple[Any, ...]]:
    """The fingerprint of the same load without any trouble."""
    with psycopg.connect(market_dsn) as conn:
        load(prepare(conn), exchange.url, **MONTHS)
        return fingerprint(conn)


def test_a_crash_of_postgres_between_staging_and_upsert_fails_the_lane_and_the_next_run_loads_it(
    own_server: PostgresServer,
    exchange: Exchange,
    undisturbed: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = staging.copy_to_staging

    def crash_behind(conn: psycopg.Connection, candles: Candles) -> None:
        whole(conn, candles)
        crash(own_server)

    with psycopg.connect(own_server.dsn("postgres")) as conn:
        prepare(conn)
        load(conn, exchange.url, **MONTHS | {"start": "2024-06-01", "end": "2024-06-30"})
        monkeypatch.setattr(staging, "copy_to_staging", crash_behind)
        with pytest.raises(LoadError, match=r"PostgreSQL refused BTC 1h \[2024-01-01 00:00, 2025-01-01 00:00\)"):
            load(conn, exchange.url, refresh=True, **MONTHS | {"start": "2024-01-01"})
    monkeypatch.undo()
    own_server.start()
    with psycopg.connect(own_server.dsn("postgres")) as conn:
        prepare(conn)
        assert rows(conn, "SELECT count(*) FROM market_data") == [(720,)]
        assert rows(conn, "SELECT DISTINCT rows_inserted FROM data_sync_log WHERE status = 'success'") == [(720,)]
        load(conn, exchange.url, **MONTHS)
        assert fingerprint(conn) == undisturbed
        assert_no_lie(conn)


def test_what_a_lane_has_reported_outlives_a_crash_of_postgres_in_the_same_moment(
    own_server: PostgresServer, exchange: Exchange, undisturbed: list[tuple[Any, ...]]
) -> None:
    """Its windows do not wait for the disk one by one; the lane does, at its end."""
    crashed: list[int] = []

    class Crashing(LaneLoader):
        def load(self, lane: Lane) -> LaneReport:
            report = super().load(lane)
            crashed.append(report.windows)
            crash(own_server)
            return report

    with psycopg.connect(own_server.dsn("postgres"), autocommit=True) as conn:
        conn.execute("ALTER DATABASE postgres SET synchronous_commit TO on")
    with psycopg.connect(own_server.dsn("postgres")) as conn, pytest.raises(psycopg.OperationalError):
        load(prepare(conn), exchange.url, loader=Crashing, **MONTHS)
    own_server.start()
    with psycopg.connect(own_server.dsn("postgres")) as conn:
        prepare(conn)
        assert rows(conn, "SELECT count(*) FROM data_sync_log") == [(sum(crashed),)]
        load(conn, exchange.url, **MONTHS)
        assert rows(conn, "SELECT count(*) FROM data_sync_log") == [(sum(crashed),)], "nothing was left to load"
        assert fingerprint(conn) == undisturbed


def test_a_worker_killed_in_the_middle_of_a_lane_leaves_whole_windows_and_the_next_run_the_rest(
    market_dsn: str, postgres_server: Any, market_template: str, exchange: Exchange, undisturbed: list[tuple[Any, ...]]
) -> None:
    name = postgres_server.create(template=market_template)
    dsn = postgres_server.dsn(name)
    exchange.fault("slow", seconds=120, kind="archive", path="-2024-0[2-9]")  # longer than the first is waited for
    order = json.dumps({"dsn": dsn, "url": exchange.url, "params": MONTHS})
    with (
        subprocess.Popen(
            [sys.executable, "-m", "tests.load.driver", order],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as worker,
        psycopg.connect(dsn) as conn,
    ):
        prepare(conn)
        wait_until(lambda: rows(conn, "SELECT count(*) FROM data_sync_log") == [(1,)], "the first window")
        worker.kill()
        worker.wait()
        assert rows(conn, "SELECT min(timestamp)::date::text, max(timestamp)::date::text FROM market_data") == [
            ("2023-06-01", "2023-12-31")
        ]
        exchange.clear_faults()
        load(conn, exchange.url, **MONTHS)
        assert fingerprint(conn) == undisturbed
        assert_no_lie(conn)
    postgres_server.drop(name)


def test_two_loads_of_the_same_windows_at_once_end_like_one(
    postgres_server: Any, market_template: str, exchange: Exchange, undisturbed: list[tuple[Any, ...]]
) -> None:
    name = postgres_server.create(template=market_template)

    def work(_: int) -> None:
        with psycopg.connect(postgres_server.dsn(name)) as conn:
            load(prepare(conn), exchange.url, **MONTHS)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    with psycopg.connect(postgres_server.dsn(name)) as conn:
        assert fingerprint(conn) == undisturbed
        assert rows(conn, "SELECT count(*) FROM market_data_revision") == [(0,)]
        assert_no_lie(conn)
    postgres_server.drop(name)


@pytest.mark.parametrize(
    "trouble",
    [
        {"action": "status", "status": 503, "kind": "archive", "times": 6},
        {"action": "reset", "kind": "any", "times": 3},
        {"action": "cut", "kind": "archive", "times": 3},
        {"action": "cut_zip", "path": "-2024-0"},
        {"action": "corrupt", "path": "-2024-0"},
        {"action": "wrong_checksum", "path": "-2024-0"},
        {"action": "missing", "path": "monthly.*-2024-"},
        {"action": "limit", "retry_after": 1, "times": 2},
        {"action": "forbidden", "kind": "archive", "path": "-2024-05"},
    ],
    ids=lambda trouble: trouble["action"],
)
def test_trouble_on_the_way_changes_no_row(
    postgres_server: Any,
    market_template: str,
    exchange: Exchange,
    undisturbed: list[tuple[Any, ...]],
    trouble: dict[str, Any],
) -> None:
    name = postgres_server.create(template=market_template)
    exchange.fault(**trouble)
    with psycopg.connect(postgres_server.dsn(name)) as conn:
        prepare(conn)
        pause = time.sleep if trouble["action"] == "limit" else never_wait
        load(conn, exchange.url, sleep=pause, **MONTHS)
        assert fingerprint(conn) == undisturbed
        assert rows(conn, "SELECT min(adjusted_completeness_percentage) FROM data_quality") == [(100.0,)]
        assert rows(conn, "SELECT DISTINCT status FROM data_sync_log") == [("success",)]
        assert_no_lie(conn)
    postgres_server.drop(name)


def test_a_window_that_postgres_refuses_is_named_and_takes_no_other_with_it(
    market_dsn: str, exchange: Exchange
) -> None:
    years = MONTHS | {"start": "2023-06-01", "end": "2025-02-28"}
    with psycopg.connect(market_dsn) as conn:
        prepare(conn)
        conn.execute(
            """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file: no space left on device' USING errcode = '53100'; END $$"""
        )
        conn.execute("SELECT ensure_market_data_partitions('1h', '2023-01-01', '2025-12-31')")
        conn.execute(
            """CREATE TRIGGER full_disk BEFORE INSERT ON market_data_1h_2024 FOR EACH ROW
            WHEN (NEW.timestamp >= '2024-05-01') EXECUTE FUNCTION full_disk()"""
        )
        with pytest.raises(LoadError, match=r"1 of 3 windows failed.*no space left on device"):
            load(conn, exchange.url, **years)
        assert rows(
            conn, "SELECT extract(year FROM timestamp)::int, count(*) FROM market_data GROUP BY 1 ORDER BY 1"
        ) == [
            (2023, 214 * 24),
            (2025, 59 * 24),
        ]
        failures = sql.load("load/run_failures").encode()
        run = {"dag_id": "klines_initial_load", "run_id": RUN}
        assert [row[2].year for row in conn.execute(failures, run)] == [2024]

        conn.execute("DROP TRIGGER full_disk ON market_data_1h_2024")
        load(conn, exchange.url, **years | {"end": "2024-07-31"})
        assert len(conn.execute(failures, run).fetchall()) == 1
        load(conn, exchange.url, **years)
        assert conn.execute(failures, run).fetchall() == []
        assert_no_lie(conn)


def test_a_disk_that_is_full_in_the_middle_of_an_upsert_keeps_nothing_of_the_window(
    own_server: PostgresServer, exchange: Exchange, undisturbed: list[tuple[Any, ...]]
) -> None:
    """A quota on the server's processes: the file of 2024 may not grow any further."""
    with psycopg.connect(own_server.dsn("postgres")) as conn:
        load(prepare(conn), exchange.url, **MONTHS | {"end": "2023-12-31"})
        conn.execute("SELECT ensure_market_data_partitions('1h', '2024-01-01', '2025-01-01')")
        conn.execute("ALTER TABLE market_data_1h_2024 SET (autovacuum_enabled = off)")
        with conn.transaction(force_rollback=True):  # what it leaves is no row, but a file of that size
            conn.execute(
                """INSERT INTO market_data SELECT 'FILLER' || n, '1h', '2024-06-01', 1, 1, 1, 1, 1, 1, 1, 1, 1
                FROM generate_series(1, 150000) AS n"""
            )
        size = rows(conn, "SELECT pg_relation_size('market_data_1h_2024')")[0][0]
    assert size > 16 * 2**20, "the server's own log files, of 16 MiB, have to fit into the quota"
    with quota(size):
        own_server.stop()
        own_server.start()
    with psycopg.connect(own_server.dsn("postgres")) as conn:
        with pytest.raises(LoadError, match=r"PostgreSQL refused BTC 1h \[2024.*could not extend file"):
            load(prepare(conn), exchange.url, **MONTHS)
        assert rows(conn, "SELECT count(*) FROM market_data WHERE timestamp >= '2024-01-01'") == [(59 * 24,)]
    own_server.stop()
    own_server.start()
    with psycopg.connect(own_server.dsn("postgres")) as conn:
        load(prepare(conn), exchange.url, **MONTHS)
        assert fingerprint(conn) == undisturbed
        assert_no_lie(conn)


@contextmanager
def quota(size: int) -> Iterator[None]:
    """What is started inside may not let a file grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
