"""What was pruned comes back from its files."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.io import attach
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
    measuring.measure(conn, symbols=["BTC"], timeframes=["1h"], window=span, clock=CLOCK)
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
