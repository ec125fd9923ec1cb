"""ccxt's documented loop over fetch_ohlcv, into memory: run_ccxt.py URL PAIR START END, by its own Python.

START and END: milliseconds. Prints the number of candles. Its rate limiter is on, as it is by default.
"""

from __future__ import annotations

import sys

import ccxt

url, pair, start, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
exchange = ccxt.binance({"options": {"fetchMarkets": {"types": ["spot"]}}})
exchange.urls["api"]["public"] = f"{url}/api/v3"
candles: list[list[float]] = []
since = start
while since < end:
    page = exchange.fetch_ohlcv(pair, "1m", since, 1000, {"until": end - 1})
    if not page:
        break
    candles += page
    since = page[-1][0] + 60_000
print(len(candles))
