"""The same crossing for several symbols at once in vectorbt.

pip install ./include/klines/reader vectorbt
KLINES_DSN=postgresql://… python examples/vectorbt_portfolio.py BTC,ETH 1h 2020-01-01 2022-01-01
"""

import json
import sys

import vectorbt as vbt

from include.klines.reader import load_panel

symbols, timeframe, start, end = sys.argv[1:5]
panel = load_panel(symbols.split(","), timeframe, start, end)  # a column a symbol; NaN in outages and before a listing

close = panel.ffill()
fast, slow = close.rolling(24).mean(), close.rolling(168).mean()
portfolio = vbt.Portfolio.from_signals(
    close, entries=fast.vbt.crossed_above(slow), exits=fast.vbt.crossed_below(slow), fees=0.001, freq=timeframe
)

result = {"equity": portfolio.final_value().to_dict(), "trades": int(portfolio.trades.count().sum())}
print(json.dumps({"fingerprint": panel.attrs["fingerprint"], "candles": panel.shape} | result))
