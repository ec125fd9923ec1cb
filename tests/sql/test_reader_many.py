from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from include.klines.errors import InvalidRequest
from include.klines.reader import (
    MissingData,
    RangeOutsideListing,
    ReusedTicker,
    UnknownSymbol,
    coverage,
    iter_chunks,
    load_many,
    load_ohlcv,
    load_panel,
    to_arrow,
    universe,
)
from tests.sql.stored import delete, explain, grid, list_symbol, made_up, recording, store, utc

if TYPE_CHECKING:
    import psycopg

MARCH = ("1h", "2024-03-01", "2024-04-01")


@pytest.fixture
def three(market_conn: psycopg.Connection) -> dict[str, pd.DataFrame]:
    """BTC and ETH all March, SOL from the 10th on."""
    frames = {
        "BTC": made_up(grid("2024-03-01", "2024-04-01"), 1),
        "ETH": made_up(grid("2024-03-01", "2024-04-01"), 2),
        "SOL": made_up(grid("2024-03-10 06:00", "2024-04-01"), 3),
    }
    for symbol, frame in frames.items():
        store(market_conn, symbol, "1h", frame)
        list_symbol(market_conn, symbol, str(frame.index[0].tz_localize(None)))
    market_conn.commit()
    return frames


def test_a_panel_has_a_column_a_symbol(market_dsn: str, three: dict[str, pd.DataFrame]) -> None:
    panel = load_panel(["SOL", "BTC", "ETH"], *MARCH, dsn=market_dsn)
    volumes = load_panel(["BTC", "ETH"], *MARCH, field="trades", dsn=market_dsn)

    assert list(panel.columns) == ["SOL", "BTC", "ETH"]
    assert (panel.index.freqstr, len(panel), panel.columns.name) == ("h", 744, "symbol")
    for symbol in ("BTC", "ETH"):
        np.testing.assert_array_equal(panel[symbol], three[symbol]["close"])
        np.testing.assert_array_equal(volumes[symbol], three[symbol]["trades"])
    assert panel["SOL"].first_valid_index() == utc("2024-03-10 06:00")
    assert panel.attrs["coverage"]["SOL"]["causes"] == {"not_listed": 222}


def test_a_panel_refuses_holes_and_names_them_all(
    market_dsn: str, market_conn: psycopg.Connection, three: dict[str, pd.DataFrame]
) -> None:
    delete(market_conn, "BTC", "1h", "2024-03-05", "2024-03-06")
    delete(market_conn, "ETH", "1h", "2024-03-07", "2024-03-07 01:00")
    delete(market_conn, "ETH", "1h", "2024-03-09", "2024-03-09 01:00")
    explain(market_conn, "ETH", "1h", "2024-03-09", "2024-03-09 01:00", "exchange_outage")
    market_conn.commit()

    with pytest.raises(MissingData) as caught:
        load_panel(list(three), *MARCH, dsn=market_dsn)
    masked = load_panel(list(three), *MARCH, on_gap="mask", dsn=market_dsn)

    assert [(w.symbol, w.start, w.candles) for w in caught.value.windows] == [
        ("BTC", utc("2024-03-05"), 24), ("ETH", utc("2024-03-07"), 1),
    ]  # fmt: skip
    assert caught.value.conf["symbols"] == ["BTC", "ETH"]
    assert (caught.value.conf["start"], caught.value.conf["end"]) == ("2024-03-05", "2024-03-07")
    assert masked.isna().sum().to_dict() == {"BTC": 24, "ETH": 2, "SOL": 222}


def test_a_panel_knows_listings(
    market_dsn: str, market_conn: psycopg.Connection, three: dict[str, pd.DataFrame]
) -> None:
    list_symbol(market_conn, "LUNA", "2020-08-21", "2024-03-13 01:00")
    list_symbol(market_conn, "LUNA", "2024-03-20", number=2)
    market_conn.commit()

    with pytest.raises(RangeOutsideListing):
        load_panel(["BTC", "SOL"], *MARCH, on_unlisted="raise", dsn=market_dsn)
    with pytest.raises(ReusedTicker):
        load_panel(["BTC", "LUNA"], *MARCH, dsn=market_dsn)
    with pytest.raises(UnknownSymbol):
        load_panel(["BTC", "LTC"], *MARCH, dsn=market_dsn)
    with pytest.raises(InvalidRequest):
        load_panel(["BTC", "BTC"], *MARCH, dsn=market_dsn)
    with pytest.raises(InvalidRequest):
        load_panel(["BTC"], "1w", *MARCH[1:], dsn=market_dsn)


def test_many_is_a_mapping_or_one_long_frame(market_dsn: str, three: dict[str, pd.DataFrame]) -> None:
    frames = load_many(["ETH", "BTC"], *MARCH, dsn=market_dsn)
    long = load_many(["ETH", "BTC"], *MARCH, long=True, dsn=market_dsn)

    assert list(frames) == ["ETH", "BTC"]
    pd.testing.assert_frame_equal(frames["BTC"], load_ohlcv("BTC", *MARCH, dsn=market_dsn))
    assert long.index.names == ["symbol", "timestamp"]
    pd.testing.assert_frame_equal(long.loc["BTC"], frames["BTC"], check_freq=False)
    assert long.attrs["series"]["BTC"]["fingerprint"] == load_ohlcv("BTC", *MARCH, dsn=market_dsn).attrs["fingerprint"]


def test_chunks_put_together_are_the_whole(
    market_dsn: str, market_conn: psycopg.Connection, three: dict[str, pd.DataFrame]
) -> None:
    delete(market_conn, "BTC", "1h", "2024-03-05 02:00", "2024-03-05 07:00")
    explain(market_conn, "BTC", "1h", "2024-03-05 02:00", "2024-03-05 07:00", "exchange_outage")
    market_conn.commit()

    whole = load_ohlcv("BTC", *MARCH, on_outage="ffill", dsn=market_dsn)
    chunks = list(iter_chunks("BTC", *MARCH, rows=100, on_outage="ffill", dsn=market_dsn))

    assert [len(chunk) for chunk in chunks] == [100] * 7 + [44]
    pd.testing.assert_frame_equal(pd.concat(chunks), whole, check_freq=False)


def test_chunks_are_one_snapshot_and_refuse_before_the_first(
    market_dsn: str, market_conn: psycopg.Connection, three: dict[str, pd.DataFrame]
) -> None:
    chunks = iter_chunks("BTC", *MARCH, rows=100, dsn=market_dsn)
    first = next(chunks)
    delete(market_conn, "BTC", "1h", "2024-03-25", "2024-03-26")
    market_conn.commit()

    assert len(first) + sum(map(len, chunks)) == 744
    with pytest.raises(MissingData) as caught:
        next(iter_chunks("BTC", *MARCH, rows=100, dsn=market_dsn))
    assert (caught.value.missing, caught.value.expected) == (24, 744)


def test_coverage_counts_from_listing_to_delisting(
    market_dsn: str, market_conn: psycopg.Connection, three: dict[str, pd.DataFrame]
) -> None:
    delete(market_conn, "SOL", "1h", "2024-03-15", "2024-03-15 04:00")
    explain(market_conn, "SOL", "1h", "2024-03-15", "2024-03-15 01:00", "exchange_outage")
    market_conn.commit()

    found = coverage("SOL", *MARCH, dsn=market_dsn)

    assert (found.expected, found.present, found.missing) == (522, 518, 4)
    assert found.causes == {"exchange_outage": 1, "open": 3}
    assert [(w.start, w.candles, w.cause) for w in found.windows] == [
        (utc("2024-03-15"), 1, "exchange_outage"), (utc("2024-03-15 01:00"), 3, "open"),
    ]  # fmt: skip
    assert found.completeness == pytest.approx(100 * 518 / 522)
    assert found.adjusted_completeness == pytest.approx(100 * 518 / 521)
    assert coverage("SOL", "1h", "2020-01-01", "2020-02-01", dsn=market_dsn).expected == 0
    with pytest.raises(UnknownSymbol):
        coverage("LTC", *MARCH, dsn=market_dsn)


def test_coverage_adds_up_both_assets_of_a_reused_ticker(market_dsn: str, market_conn: psycopg.Connection) -> None:
    recorded = recording("LUNAUSDT-1h.csv.gz")
    store(market_conn, "LUNA", "1h", recorded)
    list_symbol(market_conn, "LUNA", "2020-08-21 10:00", "2022-05-13 01:00")
    list_symbol(market_conn, "LUNA", "2022-05-31 06:00", number=2)
    market_conn.commit()

    found = coverage("LUNA", "1h", "2022-05-01", "2022-06-10", dsn=market_dsn)

    assert (found.expected, found.missing) == (12 * 24 + 1 + 234, 0)


def test_the_universe_of_a_day_holds_what_was_delisted_since(market_dsn: str, market_conn: psycopg.Connection) -> None:
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    list_symbol(market_conn, "MATIC", "2019-04-26 15:00", "2024-09-10 03:00", successor="POL", successor_ratio=1)
    list_symbol(market_conn, "POL", "2024-09-13 10:00")
    list_symbol(market_conn, "LUNA", "2020-08-21", "2022-05-13 01:00")
    list_symbol(market_conn, "LUNA", "2022-05-31 06:00", number=2)
    list_symbol(market_conn, "BTCUP", "2020-05-01", tier="excluded", excluded_by="leveraged")
    list_symbol(market_conn, "XYZ", None, tier="extended")
    market_conn.commit()

    then = universe("2021-01-01", dsn=market_dsn)
    now = universe("2025-01-01", tier="core", dsn=market_dsn)

    assert then["symbol"].tolist() == ["BTC", "LUNA", "MATIC"]
    assert now[["symbol", "listing_number"]].to_numpy().tolist() == [["BTC", 1], ["LUNA", 2], ["POL", 1]]
    assert then.attrs["undiscovered"] == ["XYZ"]
    assert str(then["listed_at"].dtype).endswith("UTC]")
    assert universe("2021-01-01", tier="excluded", dsn=market_dsn)["symbol"].tolist() == ["BTCUP"]
    with pytest.raises(InvalidRequest):
        universe("2021-01-01", tier="top", dsn=market_dsn)


@pytest.fixture
def renamed(market_conn: psycopg.Connection) -> dict[str, pd.DataFrame]:
    """MKR until the 10th, SKY from the 12th, one for 24,000."""
    frames = {
        "MKR": made_up(grid("2024-03-01", "2024-03-10 03:00"), 1),
        "SKY": made_up(grid("2024-03-12 10:00", "2024-04-01"), 2),
    }
    for symbol, frame in frames.items():
        store(market_conn, symbol, "1h", frame)
    list_symbol(market_conn, "MKR", "2024-03-01", "2024-03-10 03:00", successor="SKY", successor_ratio=24000)
    list_symbol(market_conn, "SKY", "2024-03-12 10:00")
    market_conn.commit()
    return frames


def test_a_rename_is_stitched_by_its_ratio_with_the_seam_marked(
    market_dsn: str, renamed: dict[str, pd.DataFrame]
) -> None:
    old = load_ohlcv("MKR", *MARCH, follow_renames=True, columns=["close", "volume", "quote_volume"], dsn=market_dsn)
    new = load_ohlcv("SKY", *MARCH, follow_renames=True, dsn=market_dsn)

    assert len(old) == 744
    np.testing.assert_array_equal(old["close"].loc[:"2024-03-10 02:00"], renamed["MKR"]["close"])
    np.testing.assert_array_equal(old["close"].loc["2024-03-12 10:00":], renamed["SKY"]["close"] * 24000)
    np.testing.assert_allclose(old["volume"].loc["2024-03-12 10:00":], renamed["SKY"]["volume"] / 24000)
    np.testing.assert_array_equal(old["quote_volume"].loc["2024-03-12 10:00":], renamed["SKY"]["quote_volume"])
    np.testing.assert_array_equal(new["close"].loc["2024-03-12 10:00":], renamed["SKY"]["close"])
    np.testing.assert_allclose(new["close"].loc[:"2024-03-10 02:00"], renamed["MKR"]["close"] / 24000)
    assert old.loc["2024-03-10 03:00":"2024-03-12 09:00", "close"].isna().all()
    assert old["listed_as"].loc[["2024-03-01", "2024-03-12 10:00"]].tolist() == ["MKR", "SKY"]
    assert old["listed_as"].isna().sum() == 55
    assert old.attrs["seams"] == [
        {
            "predecessor": "MKR",
            "successor": "SKY",
            "ratio": 24000.0,
            "ends": "2024-03-10T03:00:00Z",
            "starts": "2024-03-12T10:00:00Z",
        }
    ]
    assert old.attrs["coverage"]["causes"] == {"not_listed": 55}


def test_a_range_in_the_successor_alone_has_a_fingerprint_of_its_own(
    market_dsn: str, renamed: dict[str, pd.DataFrame]
) -> None:
    late = ("1h", "2024-03-20", "2024-03-30")
    scaled = load_ohlcv("MKR", *late, follow_renames=True, dsn=market_dsn)
    followed = load_ohlcv("SKY", *late, follow_renames=True, dsn=market_dsn)
    plain = load_ohlcv("SKY", *late, dsn=market_dsn)

    np.testing.assert_array_equal(scaled["close"], plain["close"] * 24000)
    assert scaled.attrs["fingerprint"] != plain.attrs["fingerprint"]
    assert followed.attrs["fingerprint"] == plain.attrs["fingerprint"]


def test_without_asking_a_rename_is_not_followed(market_dsn: str, renamed: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(RangeOutsideListing):
        load_ohlcv("MKR", *MARCH, dsn=market_dsn)
    with pytest.raises(RangeOutsideListing):
        load_ohlcv("MKR", "1h", "2024-02-01", "2024-04-01", follow_renames=True, dsn=market_dsn)


def test_a_hole_of_a_successor_names_the_successor(
    market_dsn: str, market_conn: psycopg.Connection, renamed: dict[str, pd.DataFrame]
) -> None:
    delete(market_conn, "SKY", "1h", "2024-03-20", "2024-03-21")
    market_conn.commit()

    with pytest.raises(MissingData) as caught:
        load_ohlcv("MKR", *MARCH, follow_renames=True, dsn=market_dsn)

    assert caught.value.conf["symbols"] == ["SKY"]


def test_a_reused_ticker_is_never_stitched(market_dsn: str, market_conn: psycopg.Connection) -> None:
    list_symbol(market_conn, "LUNA", "2020-08-21", "2022-05-13 01:00")
    list_symbol(market_conn, "LUNA", "2022-05-31 06:00", number=2)
    market_conn.commit()

    with pytest.raises(ReusedTicker):
        load_ohlcv("LUNA", "1h", "2022-05-01", "2022-06-10", follow_renames=True, dsn=market_dsn)


def test_a_frame_becomes_an_arrow_table_with_its_fingerprint(market_dsn: str, three: dict[str, pd.DataFrame]) -> None:
    frame = load_ohlcv("BTC", *MARCH, dsn=market_dsn)

    table = to_arrow(frame)

    assert table.column_names == ["timestamp", "open", "high", "low", "close", "volume"]
    assert json.loads(table.schema.metadata[b"klines"])["fingerprint"] == frame.attrs["fingerprint"]
    np.testing.assert_array_equal(table["close"].to_numpy(), frame["close"])
