from __future__ import annotations

import hashlib
import struct
import threading
import time
from datetime import timedelta

import pandas as pd
import psycopg
import pytest

from include.klines.reader import (
    MissingData,
    fingerprint,
    load_ohlcv,
    load_panel,
)
from include.klines.reader.fingerprints import combine, months_of
from include.klines.reader.request import parse_request
from tests.sql.stored import COLUMNS, delete, explain, grid, made_up, store

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


def test_reads_beside_a_running_load_are_whole_and_true_to_their_fingerprint(
    market_dsn: str, quarter: pd.DataFrame
) -> None:
    stop, reads = threading.Event(), list[pd.DataFrame]()

    def seen(frames: list[pd.DataFrame]) -> set[str]:
        return {frame.attrs["fingerprint"] for frame in frames}

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
        deadline = time.monotonic() + 60
        while len(reads) < 25 or (len(seen(reads)) == 1 and time.monotonic() < deadline):
            reads.append(load_ohlcv(*RANGE, columns=COLUMNS, dsn=market_dsn))
    finally:
        stop.set()
        thread.join()

    request = parse_request(*RANGE[1:])
    for read in reads:
        added = read["volume"] - quarter["volume"].loc[read.index]
        assert added.loc["2024-02-10":].round(3).nunique() == 1
        months = months_of(read.index.as_unit("us").asi8, read.to_numpy().T)
        assert read.attrs["fingerprint"] == combine("BTC", request, "1h", "raise", "mask", months, [])
    assert len(seen(reads)) > 1
