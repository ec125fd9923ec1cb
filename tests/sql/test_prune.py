"""The prune on a real PostgreSQL: what goes, what stays, what is remembered, and how it comes back."""

from __future__ import annotations

import pickle
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow.parquet as pq
import pytest

from include.klines import cold_storage, quality, retention
from include.klines.cold_storage import ColdStorage
from include.klines.database import prepare
from include.klines.errors import PruneError
from include.klines.pruning import Pruner, PruneReport
from include.klines.reader import MissingData, load_ohlcv, load_pinned, pin
from include.klines.restore import main, restore
from tests.sql.measured import at, fill, gaps, months, window
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLOCK = at("2026-01-01 04:00")
MONTH = at("2026-01-01")


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    """A prepared connection to a database in which nothing is pinned."""
    with psycopg.connect(market_dsn) as connection:
        prepare(connection).execute("DELETE FROM dataset_pin")
        yield connection


@pytest.fixture
def storage(conn: psycopg.Connection, tmp_path: Path) -> ColdStorage:
    return ColdStorage.open(conn, (tmp_path / "cold").as_uri())


def prune(
    conn: psycopg.Connection, storage: ColdStorage, month: datetime = MONTH, *, sleep: Any = lambda seconds: None
) -> list[PruneReport]:
    """What klines_monthly_prune does in the month that begins at `month`."""
    limits = retention.cutoffs(month)
    found = [each for name, cutoff in limits.items() for each in retention.prospects(conn, name, cutoff)]
    return [Pruner(conn, storage, CLOCK, sleep).prune(lane) for lane in retention.lanes_of(found, limits)]


def counts(conn: psycopg.Connection) -> dict[tuple[str, str], int]:
    rows = conn.execute("SELECT symbol, timeframe, count(*) FROM market_data GROUP BY 1, 2").fetchall()
    return {(symbol, timeframe): count for symbol, timeframe, count in rows}


def everything(conn: psycopg.Connection) -> list[Any]:
    return conn.execute("SELECT * FROM market_data ORDER BY symbol, timeframe, timestamp").fetchall()


def partitions(conn: psycopg.Connection) -> list[str]:
    rows = conn.execute(
        "SELECT relname FROM pg_class WHERE relname ~ '^market_data_[0-9]+[mhd]_' AND relkind = 'r' ORDER BY 1"
    )
    return [name for (name,) in rows]


def pruned(conn: psycopg.Connection) -> list[tuple[str, str, str, int]]:
    rows = conn.execute(
        "SELECT symbol, gap_start, gap_end, missing_records FROM data_gap"
        " WHERE cause = 'pruned' AND resolved_at IS NULL ORDER BY 1, 2"
    )
    return [(symbol, f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", n) for symbol, start, end, n in rows]


def ranges(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT symbol, timeframe, earliest_date, latest_date, total_records FROM historical_data_range ORDER BY 1, 2"
    ).fetchall()


def keep(conn: psycopg.Connection, name: str, timeframe: str, start: str, end: str, symbols: list[str] | None) -> None:
    conn.execute(
        "INSERT INTO dataset_pin (name, symbols, timeframe, range_start, range_end) VALUES (%s, %s, %s, %s, %s)",
        (name, symbols, timeframe, at(start), at(end)),
    )


def test_cutoffs_are_whole_months_before_the_month_of_the_run() -> None:
    assert retention.cutoffs(at("2026-03-01")) == {
        "1d": at("2021-03-01"), "4h": at("2021-03-01"), "1h": at("2021-03-01"), "15m": at("2021-03-01"),
        "5m": at("2025-03-01"), "1m": at("2025-03-01"),
    }  # fmt: skip


def test_an_old_partition_is_saved_and_dropped_and_remembered(conn: psycopg.Connection, storage: ColdStorage) -> None:
    for symbol in ("BTC", "ETH"):
        fill(conn, symbol, "2020-12-30", "2021-01-03")
    before = everything(conn)
    (report,) = prune(conn, storage)
    assert (report.name, report.removed, len(report.dropped), len(report.files)) == ("1h 2020", 96, 1, 2)
    assert partitions(conn) == ["market_data_1h_2021"]
    assert counts(conn) == {("BTC", "1h"): 48, ("ETH", "1h"): 48}
    assert pruned(conn) == [(symbol, "2020-12-30 00:00", "2021-01-01 00:00", 48) for symbol in ("BTC", "ETH")]
    assert ranges(conn) == [(symbol, "1h", at("2021-01-01"), at("2021-01-02 23:00"), 48) for symbol in ("BTC", "ETH")]
    path = storage.path("BTC", "1h", 2020)
    assert str(path).endswith("/unnamed/timeframe=1h/symbol=BTC/year=2020/candles.parquet")
    table = pq.read_table(path.path)
    assert pq.ParquetFile(path.path).metadata.row_group(0).column(0).compression == "ZSTD"
    assert table["timestamp"].to_pylist() == [row[2] for row in before if row[0] == "BTC" and row[2] < at("2021-01-01")]


def test_running_twice_changes_nothing(conn: psycopg.Connection, storage: ColdStorage) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-02-03")
    prune(conn, storage, at("2026-02-01"))
    before = everything(conn), pruned(conn), ranges(conn), partitions(conn), storage.read("BTC", "1h", 2021)
    assert prune(conn, storage, at("2026-02-01")) == []
    assert (everything(conn), pruned(conn), ranges(conn), partitions(conn), storage.read("BTC", "1h", 2021)) == before


def test_a_year_that_goes_month_by_month_fills_one_file_and_leaves_no_empty_partition(
    conn: psycopg.Connection, storage: ColdStorage
) -> None:
    fill(conn, "BTC", "2020-11-29", "2021-01-03")
    for month, left in (("2025-12-01", 33 * 24), ("2026-01-01", 48)):
        prune(conn, storage, at(month))
        assert counts(conn) == {("BTC", "1h"): left}
    assert len(storage.read("BTC", "1h", 2020)) == 33 * 24
    assert partitions(conn) == ["market_data_1h_2021"]
    assert [row[1:] for row in pruned(conn)] == [
        ("2020-11-29 00:00", "2020-12-01 00:00", 48), ("2020-12-01 00:00", "2021-01-01 00:00", 744),
    ]  # fmt: skip


def test_minutes_go_by_months_and_share_the_file_of_their_year(conn: psycopg.Connection, storage: ColdStorage) -> None:
    fill(conn, "BTC", "2024-11-30", "2025-01-02", timeframe="5m")
    (report,) = prune(conn, storage)
    assert (len(report.dropped), len(report.files), report.removed) == (2, 1, 32 * 288)
    assert partitions(conn) == ["market_data_5m_2025_01"]


def test_pinned_candles_stay_to_the_row(conn: psycopg.Connection, storage: ColdStorage) -> None:
    for symbol in ("BTC", "ETH"):
        fill(conn, symbol, "2020-12-30", "2021-01-03")
    keep(conn, "mine", "1h", "2020-12-30 05:00", "2020-12-30 09:00", ["BTC"])
    (report,) = prune(conn, storage)
    assert report.dropped == []
    stored = conn.execute(
        "SELECT symbol, timestamp FROM market_data WHERE timestamp < '2021-01-01 00:00+00' ORDER BY 2"
    )
    assert stored.fetchall() == [("BTC", at(f"2020-12-30 0{hour}:00")) for hour in (5, 6, 7, 8)]
    assert pruned(conn) == [
        ("BTC", "2020-12-30 00:00", "2020-12-30 05:00", 5),
        ("BTC", "2020-12-30 09:00", "2021-01-01 00:00", 39),
        ("ETH", "2020-12-30 00:00", "2021-01-01 00:00", 48),
    ]
    conn.execute("DELETE FROM dataset_pin")
    prune(conn, storage)
    assert len(storage.read("BTC", "1h", 2020)) == 48
    assert partitions(conn) == ["market_data_1h_2021"]


def test_the_initial_window_is_pinned_until_it_is_lifted(market_dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(market_dsn) as conn:
        prepare(conn)
        files = ColdStorage.open(conn, tmp_path.as_uri())
        fill(conn, "BTC", "2020-12-30", "2021-01-03")
        assert prune(conn, files) == []
        conn.execute("DELETE FROM dataset_pin WHERE name = 'initial-window-1h'")
        fill(conn, "BTC", "2020-12-30", "2021-01-03", timeframe="1d")
        assert [report.name for report in prune(conn, files)] == ["1h 2020"]


def test_a_pin_of_a_timeframe_that_is_not_stored_keeps_what_it_is_made_of(
    conn: psycopg.Connection, storage: ColdStorage
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    keep(conn, "two hours", "2h", "2020-12-30", "2020-12-31", ["BTC"])
    prune(conn, storage)
    assert counts(conn) == {("BTC", "1h"): 24 + 48}


def test_a_pinned_dataset_reads_the_same_after_a_prune_and_the_rest_says_pruned(
    conn: psycopg.Connection, storage: ColdStorage
) -> None:
    list_symbol(conn, "BTC", "2020-12-01")
    fill(conn, "BTC", "2020-12-01", "2021-01-03")
    kept = pin("mine", ["BTC"], "1h", "2020-12-10", "2020-12-20", dsn=conn)
    young = load_ohlcv("BTC", "1h", "2021-01-01", "2021-01-03", dsn=conn).attrs["fingerprint"]
    prune(conn, storage)
    assert load_pinned("mine", dsn=conn)["BTC"].attrs["fingerprint"] == kept.fingerprint
    assert load_ohlcv("BTC", "1h", "2021-01-01", "2021-01-03", dsn=conn).attrs["fingerprint"] == young
    with pytest.raises(MissingData) as refused:
        load_ohlcv("BTC", "1h", "2020-12-19", "2020-12-22", dsn=conn)
    assert [(hole.start, hole.cause, hole.candles) for hole in refused.value.windows] == [
        (at("2020-12-20"), "pruned", 48)
    ]
    command = "python -m include.klines.restore --symbols BTC --timeframes 1h --start 2020-12-20 --end 2020-12-21"
    assert (refused.value.restore, refused.value.conf) == (command, None)
    assert command in str(pickle.loads(pickle.dumps(refused.value)))
    with pytest.raises(psycopg.errors.DatabaseError, match="pruned") as refused_in_sql:
        conn.execute("SELECT * FROM ohlcv('BTC', '1h', '2020-12-19Z', '2020-12-22Z')")
    assert command in str(refused_in_sql.value.diag.message_hint)
    masked = load_ohlcv("BTC", "1h", "2020-12-19", "2020-12-22", on_gap="mask", dsn=conn)
    assert (len(masked), int(masked["close"].isna().sum())) == (72, 48)
    in_sql = conn.execute(
        "SELECT pruned, adjusted_completeness_percentage FROM coverage('BTC', '1h', '2020-12-19Z', '2020-12-22Z')"
    )
    assert in_sql.fetchone() == (48, 100)


def test_neither_quality_nor_a_load_complains_about_what_was_pruned(
    conn: psycopg.Connection, storage: ColdStorage
) -> None:
    list_symbol(conn, "BTC", "2020-11-01")
    fill(conn, "BTC", "2020-11-01", "2021-01-03", without=[("2020-12-05", "2020-12-06")])
    span = window("2020-11-01", "2021-01-03")
    quality.measure(conn, symbols=["BTC"], timeframes=["1h"], window=span, clock=CLOCK)
    assert [row["has_gaps"] for row in months(conn, "BTC")] == [False, True, False]
    prune(conn, storage)
    stated = [
        (row["actual_records"], row["unfillable_records"], row["adjusted_completeness_percentage"], row["has_gaps"])
        for row in months(conn, "BTC")
    ]
    assert stated == [(0, 720, 100, False), (0, 744, 100, False), (48, 0, 100, False)]
    assert gaps(conn, "BTC") == [("2020-11-01 00:00", "2021-01-01 00:00")]
    report = quality.measure(conn, symbols=["BTC"], timeframes=["1h"], window=span, clock=CLOCK)
    assert (report.actual, report.unfillable, report.adjusted_completeness) == (48, 720 + 744, 100)
    assert gaps(conn, "BTC") == [("2020-11-01 00:00", "2021-01-01 00:00")]
    (left,) = conn.execute(
        "SELECT is_complete FROM historical_data_range WHERE symbol = 'BTC' AND timeframe = '1h'"
    ).fetchone() or (None,)
    assert left is True


def test_an_explained_hole_keeps_its_cause(conn: psycopg.Connection, storage: ColdStorage) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-02", without=[("2020-12-30 04:00", "2020-12-30 06:00")])
    conn.execute(
        "INSERT INTO data_gap (symbol, timeframe, gap_start, gap_end, missing_records, cause, first_seen, last_checked)"
        " VALUES ('BTC', '1h', '2020-12-30 04:00+00', '2020-12-30 06:00+00', 2, 'suspension', now(), now())"
    )
    prune(conn, storage)
    assert [row[1:] for row in pruned(conn)] == [
        ("2020-12-30 00:00", "2020-12-30 04:00", 4), ("2020-12-30 06:00", "2021-01-01 00:00", 42),
    ]  # fmt: skip
    assert ("2020-12-30 04:00", "2020-12-30 06:00") in gaps(conn, "BTC")


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
        patch.setattr("include.klines.pruning.Pruner._patiently", _quick(waits))
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


def test_everything_comes_back_as_it_was(conn: psycopg.Connection, storage: ColdStorage) -> None:
    for symbol in ("BTC", "ETH"):
        list_symbol(conn, symbol, "2020-12-30")
        fill(conn, symbol, "2020-12-30", "2021-01-03")
    fill(conn, "BTC", "2024-12-30", "2025-01-02", timeframe="1m")
    before, known = everything(conn), ranges(conn)
    prune(conn, storage)
    assert everything(conn) != before
    done = restore(conn, storage, window("2019-01-01", "2026-01-01"), clock=CLOCK)
    assert done == {("BTC", "1h"): 48, ("ETH", "1h"): 48, ("BTC", "1m"): 2880}
    assert (everything(conn), ranges(conn), pruned(conn)) == (before, known, [])
    assert restore(conn, storage, window("2019-01-01", "2026-01-01"), clock=CLOCK) == {}
    prune(conn, storage)
    assert pruned(conn)[-1] == ("ETH", "2020-12-30 00:00", "2021-01-01 00:00", 48)


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
    assert "has nothing of" in capsys.readouterr().err


def test_a_report_names_candles_and_bytes_by_series(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    fill(conn, "ETH", "2020-12-31", "2021-01-03")
    sums = retention.totals(retention.prospects(conn, "1h", at("2021-01-01")))
    assert {key: candles for key, (candles, _) in sums.items()} == {("BTC", "1h"): 48, ("ETH", "1h"): 24}
    assert sums["BTC", "1h"][1] == pytest.approx(2 * sums["ETH", "1h"][1], rel=0.01)
    assert sums["ETH", "1h"][1] > 24 * 80


def test_a_backtester_may_not_drop_anything(conn: psycopg.Connection, postgres_server: Any) -> None:
    fill(conn, "BTC", "2020-12-30", "2020-12-31")
    database = conn.info.dbname
    with psycopg.connect(postgres_server.dsn(database, "backtester"), autocommit=True) as reader:
        for call in ("drop_market_data_partition", "hold_market_data_partition"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"SELECT {call}('1h', '2020-01-01 00:00+00')".encode())


def test_the_database_itself_refuses_to_drop_pinned_candles(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2020-12-30", "2020-12-31")
    keep(conn, "mine", "1h", "2020-12-30", "2020-12-31", None)
    with pytest.raises(psycopg.errors.RestrictViolation, match="market_data_1h_2020 holds pinned candles"):
        conn.execute("SELECT drop_market_data_partition('1h', %s)", (datetime(2020, 1, 1, tzinfo=UTC),))
