"""The prune on a real PostgreSQL: what goes, what stays, and what is remembered."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import psycopg
import pyarrow.parquet as pq
import pytest

from include.klines.database import prepare
from include.klines.quality import measuring
from include.klines.reader import MissingData, load_ohlcv, load_pinned, pin
from include.klines.retention import plan
from include.klines.retention.cold_storage import ColdStorage
from tests.sql.measured import at, fill, gaps, months, window
from tests.sql.pruned import CLOCK, counts, everything, keep, partitions, prune, pruned, ranges, unpinned
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    yield from unpinned(market_dsn)


def test_cutoffs_are_whole_months_before_the_month_of_the_run() -> None:
    assert plan.cutoffs(at("2026-03-01")) == {
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
    measuring.measure(conn, [("BTC", "1h")], span, CLOCK)
    assert [row["has_gaps"] for row in months(conn, "BTC")] == [False, True, False]
    prune(conn, storage)
    stated = [
        (row["actual_records"], row["unfillable_records"], row["adjusted_completeness_percentage"], row["has_gaps"])
        for row in months(conn, "BTC")
    ]
    assert stated == [(0, 720, 100, False), (0, 744, 100, False), (48, 0, 100, False)]
    assert gaps(conn, "BTC") == [("2020-11-01 00:00", "2021-01-01 00:00")]
    report = measuring.measure(conn, [("BTC", "1h")], span, CLOCK)
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


def test_a_report_names_candles_and_bytes_by_series(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-03")
    fill(conn, "ETH", "2020-12-31", "2021-01-03")
    sums = plan.totals(plan.prospects(conn, "1h", at("2021-01-01")))
    assert {key: candles for key, (candles, _) in sums.items()} == {("BTC", "1h"): 48, ("ETH", "1h"): 24}
    assert sums["BTC", "1h"][1] == pytest.approx(2 * sums["ETH", "1h"][1], rel=0.01)
    assert sums["ETH", "1h"][1] > 24 * 80
