"""When a pair lived, by the archive: for pairs that REST no longer answers for."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from binance_plugin.archive_paths import klines_prefix
from binance_plugin.errors import ArchiveError
from include.klines.candles import moment
from include.klines.errors import RefusedFile
from include.klines.intervals import TIMEFRAMES, Timeframe
from include.klines.ladder.archive_csv import read_archive_file
from include.klines.universe.discovery import Life
from include.klines.windows import month_of

if TYPE_CHECKING:
    from datetime import datetime

    from binance_plugin.client import BinanceClient

LATEST_MONTH_WAITS = timedelta(days=20)
"""A monthly file has been seen 13 days late: until then the last one may not be the last one."""
HOUR, MINUTE = TIMEFRAMES["1h"], TIMEFRAMES["1m"]


def archive_life(client: BinanceClient, exchange_symbol: str, now: datetime) -> Life | None:
    """From the first to the last candle of the pair's monthly 1h files, to the minute where daily 1m files exist.

    None where the archive has no file of the pair. `delisted_at` is None where the last month is full and so recent
    that another one may follow. Costs one listing and up to four small files.
    """
    listed = client.archive_keys(klines_prefix("monthly", exchange_symbol, HOUR.name))
    found = (re.search(r"-(\d{4}-\d{2})\.zip$", key.key) for key in listed)
    months = sorted(match[1] for match in found if match)
    if not months:
        return None
    listed_at, _ = _span(client, exchange_symbol, HOUR, months[0])
    _, last_open = _span(client, exchange_symbol, HOUR, months[-1])
    minutes = _minutes(client, exchange_symbol, listed_at)
    listed_at = minutes[0] if minutes else listed_at
    minutes = _minutes(client, exchange_symbol, last_open)
    end = minutes[1] + MINUTE.delta if minutes else last_open + HOUR.delta
    month_end = month_of(last_open).end
    may_go_on = end > month_end - HOUR.delta and now - month_end < LATEST_MONTH_WAITS
    return Life(listed_at, None if may_go_on else end)


def _minutes(client: BinanceClient, exchange_symbol: str, day: datetime) -> tuple[datetime, datetime] | None:
    """First and last open time of the 1m file of `day`, None where there is no usable one."""
    try:
        return _span(client, exchange_symbol, MINUTE, f"{day:%Y-%m-%d}")
    except (ArchiveError, RefusedFile):
        return None


def _span(client: BinanceClient, exchange_symbol: str, timeframe: Timeframe, period: str) -> tuple[datetime, datetime]:
    """First and last open time in one archive file."""
    download = client.archive_file(exchange_symbol, timeframe.name, period)
    candles = read_archive_file(download.zip_bytes, exchange_symbol, timeframe, period)
    if not len(candles):
        raise RefusedFile(f"{exchange_symbol}-{timeframe.name}-{period}.zip holds no candles.")
    return moment(int(candles.open_time[0])), moment(int(candles.open_time[-1]))
