from __future__ import annotations

import hashlib
import struct
import threading
from datetime import timedelta

import pandas as pd
import psycopg
import pytest

from include.klines.errors import InvalidRequest
from include.klines.reader import (
    FingerprintMismatch,
    MissingData,
    UnknownPin,
    fingerprint,
    load_ohlcv,
    load_panel,
    load_pinned,
    pin,
    pins,
    unpin,
)
from include.klines.reader.fingerprints import combine, months_of
from include.klines.reader.request import parse_request
from tests.sql.stored import COLUMNS, delete, explain, grid, made_up, store, utc

RANGE = ("BTC", "1h", "2024-01-10", "2024-04-05")


@pytest.fixture
def quarter(market_conn: psycopg.Connection) -> pd.DataFrame:
    frame = made_up(grid("2024-01-01", "2024-04-10"))
    store(market_conn, "BTC", "1h", frame)
    market_conn.commit()
    return frame


def touch_and_refresh(conn: psycopg.Connection) -> int:
    conn.execute("SELECT touch_fingerprints('BTC', '1h', '2024-01-01Z', '2024-04-10Z')")
    conn.commit()
    (refreshed,) = conn.execute("SELECT refresh_fingerprints()").fetchone()
    conn.commit()
    return refreshed


def test_it_is_the_documented_hash_of_the_documented_bytes(market_dsn: str, quarter: pd.DataFrame) -> None:
    lines = ["klines 1", "BTC 1h from 1h", "2024-01-10T00:00:00Z 2024-04-05T00:00:00Z", "on_gap raise on_outage mask"]
    inside = quarter.loc["2024-01-10":"2024-04-04 23:00"]
    for month, rows in inside.groupby(inside.index.strftime("%Y-%m")):
        packed = b"".join(
            struct.pack(
                ">q6dq2d",
                (at - pd.Timestamp("2000-01-01", tz="UTC")) // timedelta(microseconds=1),
                *row[:6],
                int(row[6]),
                *row[7:],
            )
            for at, row in zip(rows.index, rows.to_numpy().tolist(), strict=True)
        )
        lines.append(f"{month} {len(rows)} {hashlib.sha256(packed).hexdigest()}")

    assert fingerprint(*RANGE, dsn=market_dsn) == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_kept_and_computed_digests_give_the_same(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    cold = fingerprint(*RANGE, dsn=market_dsn)
    refreshed = touch_and_refresh(market_conn)

    assert refreshed == 4
    assert fingerprint(*RANGE, dsn=market_dsn) == cold
    assert load_ohlcv(*RANGE, dsn=market_dsn).attrs["fingerprint"] == cold
    assert load_ohlcv(*RANGE, columns=["close"], dsn=market_dsn).attrs["fingerprint"] == cold
    assert load_panel(["BTC"], *RANGE[1:], dsn=market_dsn).attrs["fingerprint"] == cold


def test_candles_at_hand_give_the_same_months(market_conn: psycopg.Connection, quarter: pd.DataFrame) -> None:
    times = quarter.index.asi8
    stored = market_conn.execute(
        "SELECT month, candles, digest FROM ohlcv_months('BTC', '1h', '2024-01-01Z', '2024-04-10Z')"
    ).fetchall()

    assert [(m.first_day, m.candles, m.digest) for m in months_of(times, quarter.to_numpy().T)] == stored


@pytest.mark.parametrize("column", COLUMNS)
def test_one_changed_value_of_one_candle_changes_it(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame, column: str
) -> None:
    touch_and_refresh(market_conn)
    before = fingerprint(*RANGE, dsn=market_dsn)
    change = {"high": "high + 1", "low": "low - 1", "open": "(high + low) / 2", "close": "(high + low) / 2"}.get(
        column, f"{column} + 1"
    )
    statement = "UPDATE market_data SET {} = {} WHERE timestamp = '2024-02-29 12:00Z'"
    market_conn.execute(statement.format(column, change))
    market_conn.commit()

    after = fingerprint(*RANGE, dsn=market_dsn)
    assert after != before
    assert load_ohlcv(*RANGE, dsn=market_dsn).attrs["fingerprint"] == after
    assert touch_and_refresh(market_conn)
    assert fingerprint(*RANGE, dsn=market_dsn) == after


def test_an_insert_that_told_nobody_is_noticed(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    whole = fingerprint(*RANGE, on_gap="mask", dsn=market_dsn)
    row = quarter.loc[["2024-02-29 12:00"]]
    delete(market_conn, "BTC", "1h", "2024-02-29 12:00", "2024-02-29 13:00")
    touch_and_refresh(market_conn)
    holed = fingerprint(*RANGE, on_gap="mask", dsn=market_dsn)
    store(market_conn, "BTC", "1h", row)
    market_conn.commit()

    assert holed != whole
    assert fingerprint(*RANGE, on_gap="mask", dsn=market_dsn) == whole
    assert load_ohlcv(*RANGE, on_gap="mask", dsn=market_dsn).attrs["fingerprint"] == whole


def test_a_change_made_in_a_partition_by_hand_is_noticed(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    touch_and_refresh(market_conn)
    before = fingerprint(*RANGE, dsn=market_dsn)
    market_conn.execute("UPDATE market_data_1h_2024 SET volume = volume + 1 WHERE timestamp = '2024-02-29 12:00Z'")
    market_conn.commit()

    assert fingerprint(*RANGE, dsn=market_dsn) != before


def test_who_computes_while_a_load_is_under_way_keeps_nothing_stale(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    touch_and_refresh(market_conn)
    with psycopg.connect(market_dsn, autocommit=True) as other:
        market_conn.execute("UPDATE market_data SET volume = volume + 1 WHERE timestamp = '2024-02-29 12:00Z'")
        refreshed = other.execute("SELECT refresh_fingerprints()").fetchone()
        during = fingerprint(*RANGE, dsn=market_dsn)
        market_conn.commit()
        after = fingerprint(*RANGE, dsn=market_dsn)
        other.execute("SELECT refresh_fingerprints()")

    assert refreshed == (0,)
    assert during != after
    assert fingerprint(*RANGE, dsn=market_dsn) == after


def test_the_policies_and_the_range_are_part_of_it(market_dsn: str, quarter: pd.DataFrame) -> None:
    ranges = [RANGE, ("BTC", "1h", "2024-01-10", "2024-04-04"), ("BTC", "4h", "2024-01-10", "2024-04-05")]
    found = {fingerprint(*one, dsn=market_dsn) for one in ranges}
    found |= {fingerprint(*RANGE, on_outage=policy, dsn=market_dsn) for policy in ("drop", "ffill")}
    found.add(fingerprint(*RANGE, on_gap="mask", dsn=market_dsn))

    assert len(found) == 6


def test_where_policies_differ_the_explanations_are_part_of_it(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    delete(market_conn, "BTC", "1h", "2024-02-29 12:00", "2024-02-29 13:00")
    market_conn.commit()
    with pytest.raises(MissingData):
        fingerprint(*RANGE, dsn=market_dsn)
    unexplained = fingerprint(*RANGE, on_gap="mask", on_outage="drop", dsn=market_dsn)
    explain(market_conn, "BTC", "1h", "2024-02-29 12:00", "2024-02-29 13:00", "exchange_outage")
    market_conn.commit()

    assert fingerprint(*RANGE, on_gap="mask", on_outage="drop", dsn=market_dsn) != unexplained


def test_two_databases_loaded_in_another_order_agree(
    market_dsn: str, quarter: pd.DataFrame, postgres_server: object
) -> None:
    name = postgres_server.create()
    try:
        other = postgres_server.dsn(name)
        with psycopg.connect(other) as conn:
            store(conn, "BTC", "1h", quarter.iloc[1000:])
            store(conn, "BTC", "1h", quarter.iloc[:1000].sample(frac=1, random_state=1).sort_values("volume"))
        assert fingerprint(*RANGE, dsn=other) == fingerprint(*RANGE, dsn=market_dsn)
        pd.testing.assert_frame_equal(load_ohlcv(*RANGE, dsn=other), load_ohlcv(*RANGE, dsn=market_dsn))
    finally:
        postgres_server.drop(name)


def revise(conn: psycopg.Connection, moment: str, factor: float, at: str) -> None:
    old = ", ".join(COLUMNS)
    statement = (
        "INSERT INTO market_data_revision SELECT symbol, timeframe, timestamp, {}, {}, 'rest', %s"
        " FROM market_data WHERE timestamp = %s"
    )
    new = old.replace("volume,", f"volume * {factor},", 1)
    conn.execute(statement.format(old, new), (at, utc(moment)))
    conn.execute("UPDATE market_data SET volume = volume * %s WHERE timestamp = %s", (factor, utc(moment)))


def test_as_of_reads_the_values_before_later_revisions(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    original = load_ohlcv(*RANGE, dsn=market_dsn)
    revise(market_conn, "2024-02-29 12:00", 2.0, "2025-01-01Z")
    revise(market_conn, "2024-02-29 12:00", 3.0, "2025-06-01Z")
    market_conn.commit()
    volume = quarter.loc["2024-02-29 12:00", "volume"]

    now, between, before = (
        load_ohlcv(*RANGE, as_of=as_of, dsn=market_dsn) for as_of in ("2026-01-01", "2025-03-01", "2024-12-31")
    )

    assert [frame.loc["2024-02-29 12:00", "volume"] for frame in (now, between, before)] == [
        volume * 2 * 3,
        volume * 2,
        volume,
    ]
    assert before.attrs["fingerprint"] == original.attrs["fingerprint"]
    assert len({frame.attrs["fingerprint"] for frame in (now, between, before)}) == 3
    assert now.attrs["fingerprint"] == load_ohlcv(*RANGE, dsn=market_dsn).attrs["fingerprint"]
    pd.testing.assert_frame_equal(before, original)
    weekly = load_ohlcv("BTC", "1w", "2024-01-15", "2024-04-01", as_of="2024-12-31", dsn=market_dsn)
    assert weekly.loc["2024-02-26", "volume"] == pytest.approx(quarter.loc["2024-02-26":"2024-03-03", "volume"].sum())


def test_a_pinned_dataset_reads_the_same_or_says_what_was_revised(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    store(market_conn, "ETH", "1h", made_up(quarter.index, seed=2))
    market_conn.commit()
    kept = pin("paper", ["BTC", "ETH"], *RANGE[1:], note="the paper of 2024", dsn=market_dsn)
    before = load_pinned("paper", dsn=market_dsn)
    revise(market_conn, "2024-02-29 12:00", 2.0, "2999-01-01Z")
    market_conn.commit()

    assert kept in pins(dsn=market_dsn)
    assert list(before) == ["BTC", "ETH"]
    with pytest.raises(FingerprintMismatch, match="revised BTC 2024-02-29 12:00") as caught:
        load_pinned("paper", dsn=market_dsn)
    assert caught.value.revisions == (("BTC", utc("2024-02-29 12:00")), ("ETH", utc("2024-02-29 12:00")))
    undone = load_pinned("paper", revised="undo", dsn=market_dsn)
    pd.testing.assert_frame_equal(undone["BTC"], before["BTC"])
    accepted = load_pinned("paper", revised="accept", dsn=market_dsn)
    assert accepted["BTC"].attrs["revised_since_pinned"] == 1
    with pytest.raises(InvalidRequest, match="pinned already"):
        pin("paper", ["BTC"], *RANGE[1:], dsn=market_dsn)
    unpin("paper", dsn=market_dsn)
    with pytest.raises(UnknownPin, match="initial-window-1d"):
        load_pinned("paper", dsn=market_dsn)


def test_only_what_can_be_read_can_be_pinned(market_dsn: str, quarter: pd.DataFrame) -> None:
    with pytest.raises(MissingData):
        pin("too long", ["BTC"], "1h", "2024-01-01", "2024-05-01", dsn=market_dsn)
    assert "too long" not in {one.name for one in pins(dsn=market_dsn)}


def test_a_pin_that_lost_a_candle_is_a_mismatch_even_when_undone(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    pin("one", ["BTC"], *RANGE[1:], on_gap="mask", dsn=market_dsn)
    delete(market_conn, "BTC", "1h", "2024-02-29 12:00", "2024-02-29 13:00")
    market_conn.commit()

    with pytest.raises(FingerprintMismatch, match="BTC lacks 1 candle from 2024-02-29T12:00:00Z on; compare"):
        load_pinned("one", revised="undo", dsn=market_dsn)


def test_a_pin_that_gained_candles_names_the_run_that_brought_them(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    lost = quarter.loc["2024-02-29 12:00":"2024-02-29 13:00"]
    delete(market_conn, "BTC", "1h", "2024-02-29 12:00", "2024-02-29 14:00")
    market_conn.commit()
    pin("holed", ["BTC"], *RANGE[1:], on_gap="mask", dsn=market_dsn)
    store(market_conn, "BTC", "1h", lost)
    market_conn.execute(
        """
        INSERT INTO data_sync_log (
            dag_id, run_id, lane, symbol, timeframe, window_start, window_end, source, status, rows_inserted,
            started_at, finished_at
        )
        VALUES (
            'klines_weekly_gap_fill', 'r', 'l', 'BTC', '1h', '2024-02-29 12:00Z', '2024-02-29 14:00Z', 'rest',
            'success', 2, '2999-01-01Z', '2999-01-01Z'
        )
        """
    )
    market_conn.commit()

    said = "klines_weekly_gap_fill has added 2 candles to BTC between 2024-02-29 12:00 and 2024-02-29 14:00"
    with pytest.raises(FingerprintMismatch, match=said) as caught:
        load_pinned("holed", dsn=market_dsn)
    assert [(symbol, candles) for symbol, *_, candles in caught.value.added] == [("BTC", 2)]


def test_reads_beside_a_running_load_are_whole_and_true_to_their_fingerprint(
    market_dsn: str, quarter: pd.DataFrame
) -> None:
    stop = threading.Event()

    def revise_all_the_time() -> None:
        with psycopg.connect(market_dsn) as writer:
            while not stop.is_set():
                writer.execute("UPDATE market_data SET volume = volume + 1 WHERE timestamp >= '2024-02-10Z'")
                writer.commit()
                writer.execute("SELECT refresh_fingerprints()")
                writer.commit()

    thread = threading.Thread(target=revise_all_the_time)
    thread.start()
    try:
        reads = [load_ohlcv(*RANGE, columns=COLUMNS, dsn=market_dsn) for _ in range(25)]
    finally:
        stop.set()
        thread.join()

    request = parse_request(*RANGE[1:])
    for read in reads:
        added = read["volume"] - quarter["volume"].loc[read.index]
        assert added.loc["2024-02-10":].round(3).nunique() == 1
        months = months_of(read.index.as_unit("us").asi8, read.to_numpy().T)
        assert read.attrs["fingerprint"] == combine("BTC", request, "1h", "raise", "mask", months, [])
    assert len({read.attrs["fingerprint"] for read in reads}) > 1
