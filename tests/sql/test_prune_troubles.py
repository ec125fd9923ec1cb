"""The prune when something is in its way: nothing goes that is not saved."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines.errors import PruneError
from include.klines.retention import cold_storage
from include.klines.retention.cold_storage import ColdStorage
from include.klines.retention.pruning import Pruner
from include.klines.windows import Window
from tests.sql.measured import at, fill
from tests.sql.pruned import counts, everything, keep, partitions, prune, pruned, unpinned

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    yield from unpinned(market_dsn)


def test_a_crash_between_file_and_removal_is_mended_by_the_next_run(
    conn: psycopg.Connection, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    before = everything(conn)
    with monkeypatch.context() as broken:
        broken.setattr(Pruner, "_remember", _die)
        with pytest.raises(RuntimeError):
            prune(conn, storage)
    assert everything(conn) == before
    assert len(storage.read("BTC", "1h", 2020)) == 48
    conn.execute("SELECT pg_advisory_unlock_all()")
    (report,) = prune(conn, storage)
    assert report.removed == 48


def _die(*given: Any) -> None:
    raise RuntimeError("the worker died")


def test_nothing_goes_while_its_file_is_damaged(conn: psycopg.Connection, storage: ColdStorage) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    path = storage.path("BTC", "1h", 2020)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not parquet")
    with pytest.raises(PruneError, match=r"candles\.parquet cannot be read"):
        prune(conn, storage)
    assert counts(conn) == {("BTC", "1h"): 96}
    assert path.read_bytes() == b"not parquet"


def test_what_is_read_back_must_be_what_was_written(
    conn: psycopg.Connection, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    encode = cold_storage._encode
    monkeypatch.setattr(cold_storage, "_encode", lambda candles, about: encode(candles.take(slice(1, None)), about))
    with pytest.raises(PruneError, match="nothing was removed"):
        prune(conn, storage)
    assert counts(conn) == {("BTC", "1h"): 96}
    assert not storage.path("BTC", "1h", 2020).exists()


def test_a_partition_in_use_stays_until_it_is_free(
    conn: psycopg.Connection, storage: ColdStorage, market_dsn: str
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    with psycopg.connect(market_dsn) as load:
        load.execute("SELECT count(*) FROM market_data WHERE timeframe = '1h'")
        waits: list[float] = []
        with pytest.raises(PruneError, match="was in use 60 times in a row"):
            _impatient(conn, storage, waits)
        assert counts(conn) == {("BTC", "1h"): 96}
        load.rollback()
    assert prune(conn, storage)[0].removed == 48


def _impatient(conn: psycopg.Connection, storage: ColdStorage, waits: list[float]) -> None:
    conn.execute("SET lock_timeout = '1ms'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("include.klines.retention.pruning.Pruner._patiently", _quick(waits))
        prune(conn, storage)


def _quick(waits: list[float]) -> Any:
    patiently = Pruner._patiently

    def quick(self: Pruner, work: Any, partition: Any) -> None:
        def work_at_once() -> None:
            self.conn.execute("SET LOCAL lock_timeout = '1ms'")
            work()

        patiently(self, work_at_once, partition)

    return quick


def test_a_prune_and_a_load_at_once_never_make_the_load_fail(
    conn: psycopg.Connection, storage: ColdStorage, market_dsn: str
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    failed: list[BaseException] = []
    stop = threading.Event()

    def load() -> None:
        try:
            with psycopg.connect(market_dsn) as other:
                while not stop.is_set():
                    with other.transaction():
                        other.execute("SELECT count(*) FROM market_data WHERE timeframe = '1h'")
                        other.execute(
                            "UPDATE market_data SET trades = trades + 1 WHERE timestamp = '2021-01-02 00:00+00'"
                        )
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        (report,) = prune(conn, storage)
    finally:
        stop.set()
        thread.join()
    assert failed == []
    assert report.removed == 48


def test_a_candle_revised_after_it_was_saved_is_saved_again(
    conn: psycopg.Connection, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    keep_in_file = ColdStorage.keep
    done: list[int] = []

    def revise_after(self: ColdStorage, *given: Any) -> int:
        size = keep_in_file(self, *given)
        if not done:
            conn.execute("UPDATE market_data SET trades = 77 WHERE timestamp = '2020-12-31 00:00+00'")
        done.append(size)
        return size

    monkeypatch.setattr(ColdStorage, "keep", revise_after)
    prune(conn, storage)
    assert len(done) == 2
    assert storage.read("BTC", "1h", 2020).trades[24] == 77


def test_a_partition_that_was_taken_out_is_finished_by_the_next_run(
    conn: psycopg.Connection, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    with monkeypatch.context() as broken:
        broken.setattr(Pruner, "_drop", _die)
        with pytest.raises(RuntimeError):
            prune(conn, storage)
    assert counts(conn) == {("BTC", "1h"): 48}
    remembered = pruned(conn)
    assert [row[3] for row in remembered] == [48]
    assert _taken_out(conn) == ["pruned_market_data_1h_2020"]
    conn.execute("SELECT pg_advisory_unlock_all()")
    conn.execute("UPDATE pruned_market_data_1h_2020 SET trades = 77 WHERE timestamp = '2020-12-31 00:00+00'")
    (report,) = prune(conn, storage)
    assert (report.removed, report.dropped) == (0, [f"1h {Window(at('2020-01-01'), at('2021-01-01'))}"])
    assert _taken_out(conn) == []
    assert storage.read("BTC", "1h", 2020).trades[24] == 77
    assert pruned(conn) == remembered
    assert prune(conn, storage) == []


def test_candles_that_came_after_the_saving_are_in_a_file_before_they_go(
    conn: psycopg.Connection, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    hold = Pruner._hold
    came: list[str] = []

    def come(self: Pruner) -> None:
        if not came:
            came.append("ETH")
            fill(conn, "ETH", "2020-12-31", "2021-01-01")  # by hand: without the lock of its series
            fill(conn, "BTC", "2020-12-29 12:00", "2020-12-30")
        hold(self)

    monkeypatch.setattr(Pruner, "_hold", come)
    prune(conn, storage)
    assert counts(conn) == {("BTC", "1h"): 48}
    assert (len(storage.read("ETH", "1h", 2020)), len(storage.read("BTC", "1h", 2020))) == (24, 60)
    assert sorted((row[0], row[3]) for row in pruned(conn)) == [("BTC", 12), ("BTC", 48), ("ETH", 24)]
    assert partitions(conn) == ["market_data_1h_2021"]


def _taken_out(conn: psycopg.Connection) -> list[str]:
    rows = conn.execute("SELECT relname FROM pg_class WHERE relname ~ '^pruned_' AND relkind = 'r'").fetchall()
    return [name for (name,) in rows]


def test_a_pin_that_came_after_the_saving_keeps_the_partition(
    conn: psycopg.Connection, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    keep_in_file = ColdStorage.keep

    def pin_after(self: ColdStorage, *given: Any) -> int:
        size = keep_in_file(self, *given)
        if conn.execute("SELECT count(*) FROM dataset_pin").fetchone() == (0,):
            keep(conn, "mine", "1d", "2020-12-30", "2020-12-31", ["BTC"])  # made of the hours, for want of days
        return size

    monkeypatch.setattr(ColdStorage, "keep", pin_after)
    prune(conn, storage)
    assert counts(conn) == {("BTC", "1h"): 72}
    assert [(row[0], row[3]) for row in pruned(conn)] == [("BTC", 24)]


def test_a_backtester_may_not_drop_anything(conn: psycopg.Connection, postgres_server: Any) -> None:
    fill(conn, "BTC", "2020-12-30", "2020-12-31")
    database = conn.info.dbname
    with psycopg.connect(postgres_server.dsn(database, "backtester"), autocommit=True) as reader:
        for call in (
            "hold_market_data_partition('1h', '2020-01-01 00:00+00')",
            "take_out_market_data_partition('1h', '2020-01-01 00:00+00')",
            "drop_taken_out_partition('pruned_market_data_1h_2020')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"SELECT {call}".encode())


def test_the_database_itself_refuses_to_take_out_pinned_candles(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2020-12-30", "2020-12-31")
    keep(conn, "mine", "1h", "2020-12-30", "2020-12-31", None)
    with pytest.raises(psycopg.errors.RestrictViolation, match="market_data_1h_2020 holds pinned candles"):
        conn.execute("SELECT take_out_market_data_partition('1h', '2020-01-01 00:00+00')")


@pytest.mark.parametrize("name", ["market_data", "market_data_1h_2020", "pruned_market_data_1h_2020; SELECT 1"])
@pytest.mark.parametrize(
    "call", ["taken_out_candles(%s)", "taken_out_packed(%s, 'BTC')", "drop_taken_out_partition(%s)"]
)
def test_only_tables_that_were_taken_out_can_be_dropped(conn: psycopg.Connection, call: str, name: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="no partition that was taken out"):
        conn.execute(f"SELECT {call}".encode(), (name,))
