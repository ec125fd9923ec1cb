"""Where the archive keeps candles, as in data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-03.zip."""

from __future__ import annotations

import re
from typing import Literal

SPOT = "data/spot/"
MONTHLY_KLINES = f"{SPOT}monthly/klines/"
"""It has a folder for every symbol that ever traded."""
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


def klines_file(exchange_symbol: str, interval: str, period: str) -> str:
    """The path of the zip of a month (2024-03) or a day (2024-03-05); ValueError for another period."""
    if MONTH.fullmatch(period):
        return f"{klines_prefix('monthly', exchange_symbol, interval, period)}.zip"
    if DAY.fullmatch(period):
        return f"{klines_prefix('daily', exchange_symbol, interval, period)}.zip"
    raise ValueError(f"period is {period!r}, expected a month like 2024-03 or a day like 2024-03-05.")


def klines_prefix(kind: Literal["monthly", "daily"], exchange_symbol: str, interval: str, period: str = "") -> str:
    """What the paths of a series' files begin with; `period` may be the beginning of one, to list all that begin so."""
    return f"{SPOT}{kind}/klines/{exchange_symbol}/{interval}/{exchange_symbol}-{interval}-{period}"
