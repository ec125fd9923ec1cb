from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psycopg
import pytest

from include.klines.reader import coverage, fingerprint, load_ohlcv, universe
from include.klines.reader.errors import KlinesError
from tests.sql.stored import COLUMNS, delete, explain, grid, list_symbol, made_up, store, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

MARCH = ("BTC", "1h", "2024-03-01", "2024-04-01")


@pytest.fixture
def march(market_conn: psycopg.Connection) -> pd.DataFrame:
    """BTC 1h with an outage, a suspension beside it, and a hole without an explanation on the 20th."""
    frame = made_up(grid("2024-02-01", "2024-04-10"))
    store(market_conn, "BTC", "1h", frame)
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    for start, end, cause in (
        ("2024-03-01 00:00", "2024-03-01 02:00", "exchange_outage"),
        ("2024-03-05 02:00", "2024-03-05 05:00", "exchange_outage"),
        ("2024-03-05 05:00", "2024-03-05 07:00", "suspension"),
        ("2024-03-20 10:00", "2024-03-20 11:00", None),
    ):
        delete(market_conn, "BTC", "1h", start, end)
        if cause:
            explain(market_conn, "BTC", "1h", start, end, cause)
    market_conn.commit()
    return frame


@pytest.fixture
def reader(postgres_server: Any, market_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection as the role backtester."""
    name = psycopg.conninfo.conninfo_to_dict(market_dsn)["dbname"]
    with psycopg.connect(postgres_server.dsn(name, "backtester"), autocommit=True) as connection:
        yield connection


def frame_of(conn: psycopg.Connection, *arguments: str) -> pd.DataFrame:
    cursor = conn.execute(f"SELECT * FROM ohlcv({', '.join(['%s'] * len(arguments))})", arguments)  # noqa: S608  # places only
    frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
    return frame.set_index("timestamp")


@pytest.mark.parametrize("timeframe", ["1h", "4h", "1d", "1w"])
@pytest.mark.parametrize("on_gap", ["mask", "drop"])
@pytest.mark.parametrize("on_outage", ["mask", "drop", "ffill"])
def test_sql_and_python_give_the_same_rows_and_fingerprint(
    reader: psycopg.Connection, market_dsn: str, march: pd.DataFrame, timeframe: str, on_gap: str, on_outage: str
) -> None:
    span = ("2024-02-26", "2024-04-01") if timeframe == "1w" else MARCH[2:]
    policies = {"on_gap": on_gap, "on_outage": on_outage}

    sql = frame_of(reader, "BTC", timeframe, *span, on_gap, on_outage)
    python = load_ohlcv("BTC", timeframe, *span, columns=COLUMNS, **policies, dsn=market_dsn)

    assert sql.index.tolist() == python.index.tolist()
    np.testing.assert_array_equal(sql[COLUMNS].astype(float).to_numpy(), python[COLUMNS].to_numpy())
    if on_outage == "ffill":
        np.testing.assert_array_equal(sql["is_filled"], python["is_filled"])
    (from_sql,) = reader.execute(
        "SELECT ohlcv_fingerprint('BTC', %s, %s, %s, %s, %s)", (timeframe, *span, on_gap, on_outage)
    ).fetchone()
    assert from_sql == python.attrs["fingerprint"] == fingerprint("BTC", timeframe, *span, **policies, dsn=market_dsn)


def test_what_raises_in_python_raises_in_sql_with_the_same_words(
    reader: psycopg.Connection, market_dsn: str, market_conn: psycopg.Connection, march: pd.DataFrame
) -> None:
    list_symbol(market_conn, "SOL", "2020-08-11 06:00", "2024-03-10")
    list_symbol(market_conn, "LUNA", "2020-08-21", "2024-03-13 01:00")
    list_symbol(market_conn, "LUNA", "2024-03-20", number=2)
    market_conn.commit()
    cases = {
        ("BTC", "1h", "2024-03-01", "2024-04-01"): "KL001",
        ("BTC", "4h", "2024-03-01", "2024-04-01"): "KL001",
        ("BTC", "1h", "2999-01-01", "2999-01-02"): "KL001",
        ("BTCUSDT", "1h", "2024-03-01", "2024-04-01"): "KL002",
        ("BTC", "7h", "2024-03-01", "2024-04-01"): "KL003",
        ("SOL", "1h", "2024-03-01", "2024-04-01"): "KL004",
        ("SOL", "1h", "2025-03-01", "2025-04-01"): "KL004",
        ("LUNA", "1h", "2024-03-01", "2024-04-01"): "KL005",
        ("BTC", "1h", "2024-03-01", "2024-03-01"): "22023",
    }
    for arguments, code in cases.items():
        with pytest.raises(psycopg.Error) as in_sql:
            reader.execute("SELECT * FROM ohlcv(%s, %s, %s, %s)", arguments)
        with pytest.raises(KlinesError) as in_python:
            load_ohlcv(*arguments, dsn=market_dsn)
        diag = in_sql.value.diag
        assert diag.sqlstate == code
        if code != "22023":  # where the times are spelt as they were given
            assert str(in_python.value).startswith(diag.message_primary.rstrip("."))
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="not a policy"):
        reader.execute("SELECT * FROM ohlcv('BTC', '1h', '2024-03-01', '2024-04-01', 'ffill')")


def test_missing_data_names_windows_and_the_command(reader: psycopg.Connection, march: pd.DataFrame) -> None:
    with pytest.raises(psycopg.Error) as caught:
        reader.execute("SELECT * FROM ohlcv('BTC', '1h', '2024-03-01', '2024-04-01')")

    diag = caught.value.diag
    assert "lacks 1 of 744 candles (0.1344 %)" in diag.message_primary
    assert "[2024-03-20 10:00, 2024-03-20 11:00) open" in diag.message_primary
    assert (
        'airflow dags trigger klines_initial_load --conf \'{"symbols": ["BTC"], "timeframes": ["1h"], '
        '"start": "2024-03-20", "end": "2024-03-20"}\''
    ) in diag.message_hint


def test_an_unknown_symbol_hints_at_the_nearest(reader: psycopg.Connection, march: pd.DataFrame) -> None:
    with pytest.raises(psycopg.Error) as caught:
        reader.execute("SELECT * FROM ohlcv('BTCUSDT', '1h', '2024-03-01', '2024-04-01')")

    assert caught.value.diag.message_hint == "Did you mean BTC?"


def test_an_aggregate_says_that_it_is_one(reader: psycopg.Connection, march: pd.DataFrame) -> None:
    notices: list[str] = []
    reader.add_notice_handler(lambda diag: notices.append(diag.message_primary))

    reader.execute("SELECT * FROM ohlcv('BTC', '4h', '2024-03-10', '2024-03-11')")

    assert notices == ["BTC 4h is made of complete groups of 1h candles"]


def test_a_masked_row_says_why(reader: psycopg.Connection, march: pd.DataFrame) -> None:
    frame = frame_of(reader, *MARCH, "mask", "mask")

    assert frame["missing_cause"].dropna().value_counts().to_dict() == {
        "exchange_outage": 5,
        "suspension": 2,
        "open": 1,
    }
    assert not frame["is_filled"].any()


def test_the_session_time_zone_changes_nothing(reader: psycopg.Connection, march: pd.DataFrame) -> None:
    arguments = "('BTC', '1d', '2024-03-06Z', '2024-03-20Z')"
    query = f"SELECT ohlcv_fingerprint{arguments}, count(*), min(timestamp), max(timestamp) FROM ohlcv{arguments}"  # noqa: S608  # arguments of this file
    plain = reader.execute(query).fetchone()
    reader.execute("SET timezone = 'America/New_York'")

    assert reader.execute(query).fetchone() == plain
    assert plain[1:] == (14, utc("2024-03-06"), utc("2024-03-19"))


@pytest.mark.parametrize(("timeframe", "start"), [("1h", "2024-03-01"), ("4h", "2024-03-01"), ("1w", "2024-02-26")])
def test_coverage_is_the_same_in_sql_and_python(
    reader: psycopg.Connection, market_dsn: str, march: pd.DataFrame, timeframe: str, start: str
) -> None:
    cursor = reader.execute("SELECT * FROM coverage('BTC', %s, %s, '2024-04-01')", (timeframe, start))
    row = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
    found = coverage("BTC", timeframe, start, "2024-04-01", dsn=market_dsn)

    assert (row["expected"], row["present"], row["missing"]) == (found.expected, found.present, found.missing)
    causes = ("open", "not_published", "not_closed", "exchange_outage", "suspension", "pruned")
    assert {cause: row[cause] for cause in causes if row[cause]} == found.causes
    assert row["completeness_percentage"] == pytest.approx(found.completeness)
    assert row["adjusted_completeness_percentage"] == pytest.approx(found.adjusted_completeness)


def test_coverage_of_candles_made_of_shorter_ones_starts_with_the_first_whole_one(
    reader: psycopg.Connection, market_dsn: str, market_conn: psycopg.Connection
) -> None:
    store(market_conn, "SOL", "1h", made_up(grid("2020-08-11 06:00", "2020-08-20")))
    list_symbol(market_conn, "SOL", "2020-08-11 06:00")
    market_conn.commit()

    for timeframe, counted in (("1d", (8, 8)), ("1w", (1, 0))):
        sql = "SELECT expected, present FROM coverage('SOL', %s, '2020-08-01', '2020-08-20')"
        found = coverage("SOL", timeframe, "2020-08-01", "2020-08-20", dsn=market_dsn)
        assert reader.execute(sql, (timeframe,)).fetchone() == (found.expected, found.present) == counted


def test_the_universe_is_the_same_in_sql_and_python(
    reader: psycopg.Connection, market_dsn: str, market_conn: psycopg.Connection
) -> None:
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    list_symbol(market_conn, "MATIC", "2019-04-26 15:00", "2024-09-10 03:00", successor="POL", successor_ratio=1)
    list_symbol(market_conn, "XYZ", None)
    list_symbol(market_conn, "BTCUP", "2020-05-01", tier="excluded", excluded_by="leveraged")
    market_conn.commit()

    assert [row[0] for row in reader.execute("SELECT * FROM universe('2021-01-01')")] == ["BTC", "MATIC"]
    assert [row[0] for row in reader.execute("SELECT * FROM universe('2025-01-01', 'core')")] == ["BTC"]
    assert [row[0] for row in reader.execute("SELECT * FROM universe('2025-01-01', 'excluded')")] == ["BTCUP"]
    assert universe("2021-01-01", dsn=market_dsn)["symbol"].tolist() == ["BTC", "MATIC"]


def test_the_views_show_stored_rows_listings_and_measured_coverage(
    reader: psycopg.Connection, market_conn: psycopg.Connection, march: pd.DataFrame
) -> None:
    market_conn.execute(
        "INSERT INTO historical_data_range VALUES ('BTC', '1h', '2024-02-01Z', '2024-04-09 23:00Z', 1668, FALSE, now())"
    )
    market_conn.execute(
        "INSERT INTO data_quality VALUES"
        " ('BTC', '1h', '90d', '2024-01-01Z', '2024-04-01Z', 10, 9, 1, 1, 90, 100, FALSE, FALSE, now())"
    )
    market_conn.commit()

    assert reader.execute("SELECT count(*), sum(trades) FROM ohlcv_1h WHERE timestamp >= '2024-04-01Z'").fetchone() == (
        216, march.loc["2024-04-01":, "trades"].sum(),
    )  # fmt: skip
    assert reader.execute("SELECT count(*) FROM ohlcv_1d").fetchone() == (0,)
    assert reader.execute("SELECT symbol, asset, timeframe, total_records FROM symbols").fetchall() == [
        ("BTC", "BTC", "1h", 1668)
    ]
    assert reader.execute("SELECT symbol, expected, present, missing, unfillable FROM coverage_90d").fetchall() == [
        ("BTC", 10, 9, 1, 1)
    ]
    assert (
        reader.execute("SELECT FROM coverage_30d").fetchall()
        == reader.execute("SELECT FROM coverage_365d").fetchall()
        == []
    )
