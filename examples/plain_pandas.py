"""A moving-average crossing in plain pandas.

pip install ./include/klines/reader
KLINES_DSN=postgresql://… python examples/plain_pandas.py BTC 1h 2020-01-01 2022-01-01
"""

import json
import sys

from include.klines.reader import load_ohlcv

symbol, timeframe, start, end = sys.argv[1:5]
candles = load_ohlcv(symbol, timeframe, start, end)  # outages are rows of NaN; a hole without an explanation raises

close = candles["close"].ffill()  # our own choice, made in our own code: hold the last price through an outage
is_long = close.rolling(24).mean() > close.rolling(168).mean()
returns = close.pct_change().where(is_long.shift(1, fill_value=False), 0.0)
equity = (1 + returns).prod()

print(json.dumps({"fingerprint": candles.attrs["fingerprint"], "candles": len(candles), "equity": equity}))
