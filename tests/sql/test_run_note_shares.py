"""What a run's note says of a series with one candle missing of very many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.klines.load.planning import Scope
from include.klines.load.summary import coverage_lines
from tests.sql.measured import fill, window
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    import psycopg


def test_a_note_says_100_percent_only_where_nothing_is_missing(market_conn: psycopg.Connection) -> None:
    span = ("2024-01-01", "2024-06-01")
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    fill(market_conn, "BTC", *span, timeframe="1m", without=[("2024-02-03 04:05", "2024-02-03 04:06")])
    fill(market_conn, "BTC", *span, timeframe="1d")
    lines = coverage_lines(market_conn, Scope.of_series([("BTC", "1m"), ("BTC", "1d")], window(*span)))
    assert lines == [
        "2 series, 219,031 of 219,032 expected candles (99.999 %).",
        "",
        "Not complete without an explanation:",
        "- BTC 1m: 99.999 %",
    ]
    whole = coverage_lines(market_conn, Scope.of_series([("BTC", "1d")], window(*span)))
    assert whole == ["1 series, 152 of 152 expected candles (100 %)."]
