"""load_ohlcv: one series as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.klines.reader.connection import snapshot
from include.klines.reader.frames import read_frame
from include.klines.reader.renames import read_stitched_frame
from include.klines.reader.request import (
    DEFAULT_COLUMNS,
    OnGap,
    OnOutage,
    Time,
    check_policies,
    parse_columns,
    parse_request,
    parse_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import psycopg


def load_ohlcv(
    symbol: str,
    timeframe: str,
    start: Time,
    end: Time,
    *,
    on_gap: OnGap = "raise",
    on_outage: OnOutage = "mask",
    columns: Iterable[str] = DEFAULT_COLUMNS,
    follow_renames: bool = False,
    as_of: Time | None = None,
    dsn: str | psycopg.Connection | None = None,
) -> pd.DataFrame:
    """The candles of `symbol` with start <= open time < end, as they are stored, or an error that says why not.

    symbol: base asset, as in "BTC" for BTCUSDT.
    timeframe: a stored one (1m 5m 15m 1h 4h 1d), or a longer one (30m 2h 6h 8h 12h 1w) made of complete groups of
    stored candles; a stored one of which the symbol has no candles is made likewise.
    start, end: text, date, datetime or Timestamp; without a zone it is UTC.
    on_gap, for candles missing without an explanation, or pruned: "raise" MissingData, "mask" (a row of NaN), or "drop"
    the row.
    on_outage, for candles that never existed (the exchange was down, the pair was suspended): "mask", "drop", or
    "ffill": prices are the last close, volumes and trades 0, and a boolean column `is_filled` is True there.
    columns: any of open high low close volume quote_volume trades taker_buy_volume taker_buy_quote_volume.
    follow_renames: go on with the pair that replaced this one, and back to the one it replaced (MATIC and POL), in
    units of `symbol` by the documented ratio. A column `listed_as` names each row's pair, attrs["seams"] the changes;
    the time between the two is a hole of cause `not_listed`, treated by on_outage. A reused ticker is never stitched.
    as_of: the values of that time, before later revisions. Candles that were added since are there all the same.
    dsn: address of the database, or an open psycopg connection; else the environment's KLINES_DSN or MARKET_DB_URL.

    Returns float64 columns on a UTC DatetimeIndex named `timestamp`, without holes and with `freq` unless rows were
    dropped. `attrs` holds the fingerprint, the coverage (expected, present, missing by cause, windows) and the source.

    Raises MissingData, UnknownSymbol, UnknownTimeframe, RangeOutsideListing (ReusedTicker), DatabaseUnavailable,
    InvalidRequest, and StaleSnapshot in a transaction that is older than a partition it reads. The read is one
    repeatable-read transaction.
    """
    request, wanted = parse_request(timeframe, start, end), parse_columns(columns)
    check_policies(on_gap, on_outage)
    instant = None if as_of is None else parse_time(as_of)
    read = read_stitched_frame if follow_renames else read_frame
    with snapshot(dsn, request.length) as conn:
        return read(conn, symbol, request, wanted, on_gap, on_outage, as_of=instant)
