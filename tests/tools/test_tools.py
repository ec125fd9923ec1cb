from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.feather
import pyarrow.parquet
import pytest

from include.klines.reader import fingerprint, load_ohlcv

if TYPE_CHECKING:
    import pandas as pd

    from tests.tools.conftest import Tools

SPAN = ("1h", "2021-02-01", "2021-05-01")
CANDLES, IN_OUTAGES = 89 * 24, 7

pytestmark = pytest.mark.timeout(1200)


def test_the_reader_is_installed_alone(tools: Tools) -> None:
    code = "import sys, include.klines.reader as reader; print(sys.prefix, reader.__file__)"
    prefix, place = tools.run("-c", code).split()

    assert place.startswith(prefix)
    assert tools.run("-c", "import importlib.util; print(importlib.util.find_spec('airflow'))").strip() == "None"


@pytest.mark.parametrize(
    ("example", "symbols"),
    [
        ("plain_pandas", "BTC"),
        ("backtesting_py", "BTC"),
        ("backtrader_crossing", "BTC"),
        ("vectorbt_portfolio", "BTC,ETH"),
    ],
)
def test_a_backtest_gives_the_same_result_twice(
    tools: Tools, market_dsn: str, candles: dict[str, pd.DataFrame], example: str, symbols: str
) -> None:
    first, second = (tools.example(example, symbols, *SPAN) for _ in range(2))

    assert first == second
    result = json.loads(first)
    on_outage = "mask" if example == "plain_pandas" else "drop"
    if symbols == "BTC":
        assert result["fingerprint"] == fingerprint("BTC", *SPAN, on_outage=on_outage, dsn=market_dsn)
        assert result["candles"] == CANDLES - (IN_OUTAGES if on_outage == "drop" else 0)
    assert result.get("trades", result.get("fills", 1)) > 0


def test_freqtrade_lists_and_reads_the_exported_candles(
    tools: Tools, market_dsn: str, candles: dict[str, pd.DataFrame]
) -> None:
    written = json.loads(tools.example("export_freqtrade", "BTC,ETH", *SPAN, "user_data/data/binance"))
    tools.run("-m", "freqtrade", "create-userdir", "--userdir", "user_data")
    listed = tools.run(
        "-m", "freqtrade", "list-data", "--exchange", "binance", "--userdir", "user_data", "--show-timerange"
    )
    loader = """
from pathlib import Path
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.enums import CandleType
handler = get_datahandler(Path("user_data/data/binance"), "feather")
for pair in ("BTC/USDT", "ETH/USDT"):
    candles = handler.ohlcv_load(pair, "1h", CandleType.SPOT, fill_missing=False, drop_incomplete=False)
    candles.to_feather(pair[:3] + ".feather")
"""
    tools.run("-c", loader)

    assert written == [f"user_data/data/binance/{symbol}_USDT-1h.feather" for symbol in ("BTC", "ETH")]
    assert "BTC/USDT" in listed
    assert "ETH/USDT" in listed
    assert "2021-02-01 00:00:00" in listed
    assert "2021-04-30 23:00:00" in listed
    for symbol in ("BTC", "ETH"):
        expected = load_ohlcv(symbol, *SPAN, on_outage="drop", dsn=market_dsn)
        theirs = pyarrow.feather.read_feather(tools.folder / f"{symbol}.feather").set_index("date")
        assert theirs.index.tolist() == expected.index.tolist()
        np.testing.assert_array_equal(theirs[list(expected.columns)], expected)


def test_duckdb_and_polars_scan_the_exported_parquet(
    tools: Tools, market_dsn: str, candles: dict[str, pd.DataFrame]
) -> None:
    counted = json.loads(tools.example("export_parquet", "BTC,ETH", *SPAN, "lake"))

    expected = {symbol: load_ohlcv(symbol, *SPAN, on_outage="drop", dsn=market_dsn) for symbol in ("BTC", "ETH")}
    rows = [[symbol, len(frame), frame["high"].max()] for symbol, frame in expected.items()]
    assert counted == {"duckdb": rows, "polars": rows}
    file = pyarrow.parquet.read_schema(tools.folder / "lake/timeframe=1h/symbol=BTC/year=2021/candles.parquet")
    assert json.loads(file.metadata[b"klines"])["fingerprint"] == expected["BTC"].attrs["fingerprint"]


def test_a_frame_becomes_a_polars_frame(tools: Tools, candles: dict[str, pd.DataFrame]) -> None:
    code = """
from include.klines.reader import load_ohlcv, to_polars
frame = to_polars(load_ohlcv("ETH", "1h", "2021-02-01", "2021-05-01"))
print(frame.shape, frame.columns[0], frame.schema["timestamp"].time_zone, frame["close"].sum())
"""
    said = tools.run("-c", code).split()

    assert said[:4] == [f"({CANDLES},", "6)", "timestamp", "UTC"]
    assert float(said[4]) == pytest.approx(candles["ETH"]["close"].sum())
