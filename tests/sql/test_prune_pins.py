"""A prune and a pin at once: what is pinned is there, and what was pruned cannot be pinned."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from include.klines.reader import DatabaseUnavailable, MissingData, load_pinned, pin, pins
from include.klines.retention.pruning import Pruner, PruneReport
from tests.polling import wait_until
from tests.sql.measured import fill
from tests.sql.pruned import keep, prune, unpinned
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from include.klines.retention.cold_storage import ColdStorage

DAY = ("2020-12-30", "2020-12-31")


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    """Four days of BTC 1h: the first one is old, the second one is old and pinned."""
    for connection in unpinned(market_dsn):
        list_symbol(connection, "BTC", "2020-12-01")
        fill(connection, "BTC", "2020-12-30", "2021-01-03")
        keep(connection, "other", "1h", "2020-12-31", "2021-01-01", ["BTC"])
        yield connection


def somebody_waits_for(conn: psycopg.Connection, table: str) -> bool:
    waiting = "SELECT count(*) > 0 FROM pg_locks WHERE relation = to_regclass(%s) AND NOT granted"
    return conn.execute(waiting, (table,)).fetchone() == (True,)


def holds_no_candles(conn: psycopg.Connection) -> bool:
    others = "SELECT count(*) = 0 FROM pg_locks WHERE relation = 'market_data_1h'::regclass AND pid <> pg_backend_pid()"
    return conn.execute(others).fetchone() == (True,)


def test_a_pin_waits_for_a_prune_and_does_not_keep_what_it_took(
    conn: psycopg.Connection, storage: ColdStorage, market_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember = Pruner._remember
    refused: list[MissingData] = []

    def pin_what_goes() -> None:
        try:
            pin("mine", ["BTC"], "1h", *DAY, dsn=market_dsn)
        except MissingData as error:
            refused.append(error)

    def remember_beside_a_pin(self: Pruner, *given: Any) -> None:
        remember(self, *given)  # deleted, and not committed yet
        pinning.start()
        wait_until(lambda: somebody_waits_for(conn, "dataset_pin"), "the pin")
        assert holds_no_candles(conn), "a prune that takes a partition out needs its table for itself"

    pinning = threading.Thread(target=pin_what_goes)
    monkeypatch.setattr(Pruner, "_remember", remember_beside_a_pin)
    (report,) = prune(conn, storage)
    pinning.join()
    assert report.removed == 24
    assert [(hole.cause, hole.candles) for error in refused for hole in error.windows] == [("pruned", 24)]
    assert [one.name for one in pins(dsn=market_dsn)] == ["other"]


def test_a_prune_gives_way_to_a_pin_that_reads(
    conn: psycopg.Connection, storage: ColdStorage, market_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_pins = import_module("include.klines.reader.pins")
    combine_many = of_pins.combine_many
    may_write = threading.Event()
    waits: list[float] = []
    reports: list[PruneReport] = []

    def give_way(seconds: float) -> None:
        waits.append(seconds)
        may_write.set()
        pinning.join()

    def combine_beside_a_prune(digests: dict[str, str]) -> str:
        pruning.start()  # read, and not pinned yet
        assert may_write.wait(30)
        return str(combine_many(digests))

    monkeypatch.setattr(of_pins, "combine_many", combine_beside_a_prune)
    pruning = threading.Thread(target=lambda: reports.extend(prune(conn, storage, sleep=give_way)))
    pinning = threading.Thread(target=pin, args=("mine", ["BTC"], "1h", *DAY), kwargs={"dsn": market_dsn})
    pinning.start()
    pinning.join()
    pruning.join()
    assert len(waits) == 1
    assert [report.removed for report in reports] == [0]
    monkeypatch.undo()
    assert len(load_pinned("mine", dsn=market_dsn)["BTC"]) == 24


def test_who_may_only_read_may_not_pin(conn: psycopg.Connection, postgres_server: Any) -> None:
    reader = postgres_server.dsn(conn.info.dbname, "backtester")
    with pytest.raises(DatabaseUnavailable, match="use the role market_writer"):
        pin("mine", ["BTC"], "1h", *DAY, dsn=reader)
