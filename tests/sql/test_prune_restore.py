"""What was pruned comes back from its files."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.io import attach
from cryptography.fernet import Fernet
from fsspec.implementations.memory import MemoryFileSystem

from include.klines.quality import measuring
from include.klines.reader import MissingData, load_ohlcv
from include.klines.restore import Restored, main, restore
from include.klines.retention.cold_storage import ColdStorage
from include.klines.retention.pruning import Pruner
from include.klines.settings import ROOT
from tests.sql.measured import at, fill, gaps, months, window
from tests.sql.pruned import CLOCK, counts, everything, keep, prune, pruned, ranges, unpinned
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg


STORE_CONNECTION = """
import sys
from airflow.models.connection import Connection
from airflow.settings import engine
from airflow.utils.session import create_session

Connection.metadata.create_all(engine, [Connection.metadata.tables[name] for name in ("team", "connection")])
with create_session() as session:
    session.add(Connection(conn_id="market_db", uri=sys.argv[1]))
"""


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    yield from unpinned(market_dsn)


def test_everything_comes_back_as_it_was(conn: psycopg.Connection, storage: ColdStorage) -> None:
    for symbol in ("BTC", "ETH"):
        list_symbol(conn, symbol, "2020-12-30")
        fill(conn, symbol, "2020-12-30", "2021-01-03")
    fill(conn, "BTC", "2024-12-30", "2025-01-02", timeframe="1m")
    before, known = everything(conn), ranges(conn)
    prune(conn, storage)
    assert everything(conn) != before
    done = restore(conn, storage, window("2019-01-01", "2026-01-01"), clock=CLOCK)
    assert done == {("BTC", "1h"): Restored(48), ("ETH", "1h"): Restored(48), ("BTC", "1m"): Restored(2880)}
    assert (everything(conn), ranges(conn), pruned(conn)) == (before, known, [])
    assert restore(conn, storage, window("2019-01-01", "2026-01-01"), clock=CLOCK) == {}
    prune(conn, storage)
    assert pruned(conn)[-1] == ("ETH", "2020-12-30 00:00", "2021-01-01 00:00", 48)


def test_what_came_back_before_a_killed_prune_is_finished_is_not_pruned(
    conn: psycopg.Connection, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_symbol(conn, "BTC", "2020-12-01", "2020-12-10 05:00")
    list_symbol(conn, "BTC", "2020-12-10 06:00", number=2)
    fill(conn, "BTC", "2020-12-01", "2021-01-03")
    with monkeypatch.context() as killed:
        killed.setattr(Pruner, "_drop", _die)
        with pytest.raises(RuntimeError):
            prune(conn, storage)
    conn.execute("SELECT pg_advisory_unlock_all()")
    restore(conn, storage, window("2020-12-05", "2021-01-01"), clock=CLOCK)
    keep(conn, "mine", "1h", "2020-12-01", "2021-01-01", ["BTC"])
    before = everything(conn), ranges(conn), pruned(conn), months(conn, "BTC"), _found(conn)
    (report,) = prune(conn, storage)
    assert (report.removed, len(report.dropped)) == (0, 1)
    assert (everything(conn), ranges(conn), pruned(conn), months(conn, "BTC"), _found(conn)) == before
    assert pruned(conn) == [("BTC", "2020-12-01 00:00", "2020-12-05 00:00", 96)]
    assert _found(conn) == [("outside_its_listing", at("2020-12-10 05:00"))]


def _die(*given: Any) -> None:
    raise RuntimeError("the worker died")


def _found(conn: psycopg.Connection) -> list[Any]:
    return conn.execute("SELECT check_name, timestamp FROM data_anomaly").fetchall()


def test_a_part_comes_back_and_the_rest_stays_pruned(conn: psycopg.Connection, storage: ColdStorage) -> None:
    list_symbol(conn, "BTC", "2020-12-20")
    fill(conn, "BTC", "2020-12-20", "2021-01-03")
    prune(conn, storage)
    restore(conn, storage, window("2020-12-25", "2020-12-26"), clock=CLOCK, symbols=["BTC"], timeframes=["1h"])
    assert counts(conn) == {("BTC", "1h"): 24 + 48}
    assert [row[1:3] for row in pruned(conn)] == [
        ("2020-12-20 00:00", "2020-12-25 00:00"), ("2020-12-26 00:00", "2021-01-01 00:00"),
    ]  # fmt: skip
    prune(conn, storage)
    assert len(storage.read("BTC", "1h", 2020)) == 12 * 24


def test_the_command_brings_candles_back(
    conn: psycopg.Connection, market_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    files = ColdStorage.open(conn, tmp_path.as_uri())
    monkeypatch.setattr(ColdStorage, "open", classmethod(lambda cls, connection: files))
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    prune(conn, files)
    command = ["--start", "2020-12-30", "--end", "2020-12-31", "--symbols", "BTC", "--dsn", market_dsn]
    assert main(command) == 0
    assert capsys.readouterr().out == "BTC 1h: 48 candles are back\n"
    assert main(command) == 0
    assert "nothing of" in capsys.readouterr().out
    files.path("BTC", "1h", 2020).unlink()
    prune(conn, files)
    files.path("BTC", "1h", 2020).unlink()
    assert main(command) == 1
    assert "there is no" in capsys.readouterr().err


def test_a_hole_that_was_pruned_with_its_surroundings_is_a_gap_again(
    conn: psycopg.Connection, market_dsn: str, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The read names the restore, the restore says that no file ever had it, and the read then names the load."""
    monkeypatch.setattr(ColdStorage, "open", classmethod(lambda cls, connection: storage))
    list_symbol(conn, "BTC", "2020-12-01")
    fill(conn, "BTC", "2020-12-01", "2021-01-03", without=[("2020-12-05", "2020-12-06")])
    span = window("2020-12-01", "2021-01-03")
    measuring.measure(conn, [("BTC", "1h")], span, CLOCK)
    prune(conn, storage)

    def read() -> MissingData:
        with pytest.raises(MissingData) as refused:
            load_ohlcv("BTC", "1h", "2020-12-05", "2020-12-06", dsn=conn)
        return refused.value

    command = read().restore
    assert command is not None
    assert main([*command.split()[3:], "--dsn", market_dsn]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "BTC 1h: 0 candles are back",
        "BTC 1h: 24 are not in the files, as they were missing before the prune: they are gaps again, "
        "which klines_initial_load asks for",
    ]
    assert [(hole.cause, hole.candles) for hole in read().windows] == [("open", 24)]
    assert (read().restore, (read().conf or {})["start"]) == (None, "2020-12-05")
    assert [row[1:3] for row in pruned(conn)] == [
        ("2020-12-01 00:00", "2020-12-05 00:00"), ("2020-12-06 00:00", "2021-01-01 00:00"),
    ]  # fmt: skip
    prune(conn, storage)
    assert [(hole.cause, hole.candles) for hole in read().windows] == [("open", 24)]
    done = restore(conn, storage, span, clock=CLOCK)
    assert done == {("BTC", "1h"): Restored(30 * 24)}
    assert gaps(conn, "BTC") == [("2020-12-05 00:00", "2020-12-06 00:00")]


def test_the_command_works_in_a_plain_shell(
    conn: psycopg.Connection, market_dsn: str, storage: ColdStorage, tmp_path: Path
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    prune(conn, storage)
    plain = {"HOME": str(tmp_path), "KLINES_DSN": market_dsn, "KLINES_COLD_STORAGE": (tmp_path / "cold").as_uri()}
    command = [sys.executable, "-m", "include.klines.restore", "--start", "2020-12-31", "--end", "2020-12-31"]
    done = subprocess.run(command, env=plain, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["BTC 1h: 24 candles are back"]), done.stderr


def test_a_restore_asks_no_exchange_and_so_synced_nothing(
    conn: psycopg.Connection, market_dsn: str, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The health check of what was not synced goes by that time; a series without any candle left begins anew."""
    monkeypatch.setattr(ColdStorage, "open", classmethod(lambda cls, connection: storage))
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    fill(conn, "ETH", "2020-12-30", "2021-01-01")
    conn.execute("UPDATE historical_data_range SET last_synced = '2025-12-24'")
    prune(conn, storage)
    assert main(["--start", "2020-12-30", "--end", "9999-12-31", "--dsn", market_dsn]) == 0
    found = conn.execute("SELECT symbol, total_records, last_synced FROM historical_data_range ORDER BY 1").fetchall()
    assert found == [("BTC", 96, at("2025-12-24")), ("ETH", 48, at("2021-01-01"))]


def test_records_have_the_time_of_the_database_and_not_of_the_machine(
    conn: psycopg.Connection, market_dsn: str, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ColdStorage, "open", classmethod(lambda cls, connection: storage))
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    prune(conn, storage)
    conn.execute((ROOT / "tests/year/clock.sql").read_bytes())
    conn.execute("UPDATE simulated.clock SET moment = '2026-05-05'")
    by_that_clock = f"{market_dsn}?options=-c%20search_path%3Dsimulated%2Cpg_catalog%2Cpublic"
    assert main(["--start", "2020-12-30", "--end", "2020-12-31", "--dsn", by_that_clock]) == 0
    assert conn.execute("SELECT finished_at FROM data_sync_log").fetchall() == [(at("2026-05-05"),)]
    assert conn.execute("SELECT DISTINCT resolved_at FROM data_gap").fetchall() == [(at("2026-05-05"),)]


def test_without_an_address_it_asks_airflow_as_tasks_do(
    conn: psycopg.Connection, market_dsn: str, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Here by a variable; the connection's extra is the session's."""
    monkeypatch.setattr(ColdStorage, "open", classmethod(lambda cls, connection: storage))
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    prune(conn, storage)
    command = ["--start", "2020-12-31", "--end", "2020-12-31"]
    assert main(command) == 1
    assert "Airflow gives no connection market_db here" in capsys.readouterr().err
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", f"{market_dsn}?options=-c%20default_transaction_read_only%3Don")
    assert main(command) == 1
    assert "read-only transaction" in capsys.readouterr().err
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", market_dsn)
    assert main(command) == 0
    assert capsys.readouterr().out == "BTC 1h: 24 candles are back\n"


def test_out_of_a_task_the_connection_may_be_in_the_metadata_database(
    conn: psycopg.Connection, market_dsn: str, storage: ColdStorage, tmp_path: Path
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    prune(conn, storage)
    environment = {
        "HOME": str(tmp_path),
        "KLINES_COLD_STORAGE": (tmp_path / "cold").as_uri(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/metadata.db",
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
    }

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )

    made = run("-c", STORE_CONNECTION, market_dsn)
    assert made.returncode == 0, made.stderr
    done = run("-m", "include.klines.restore", "--start", "2020-12-31", "--end", "2020-12-31")
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["BTC 1h: 24 candles are back"]), done.stderr


def test_the_files_may_be_in_an_object_store(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2020-11-29", "2021-01-03")
    before = everything(conn)
    attach(protocol="memory", fs=MemoryFileSystem())  # one that fsspec has, in place of a provider's
    store = ColdStorage.open(conn, "memory://bucket/klines")
    for month in ("2025-12-01", "2026-01-01"):
        prune(conn, store, at(month))
    path = store.path("BTC", "1h", 2020)
    assert [found.name for found in path.parent.iterdir()] == ["candles.parquet"]
    restore(conn, store, window("2020-01-01", "2021-01-01"), clock=CLOCK)
    assert everything(conn) == before
