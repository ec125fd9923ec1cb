"""The same crossing in backtesting.py.

pip install ./include/klines/reader backtesting
KLINES_DSN=postgresql://… python examples/backtesting_py.py BTC 1h 2020-01-01 2022-01-01
"""

import json
import sys

import pandas as pd
from backtesting import Backtest, Strategy
from backtesting.lib import crossover

from include.klines.reader import load_ohlcv


def mean(values, length):
    """The mean of the last `length` values."""
    return pd.Series(values).rolling(length).mean()


class Crossing(Strategy):
    """Long while the fast mean is above the slow one."""

    def init(self):
        """The two means."""
        self.fast, self.slow = self.I(mean, self.data.Close, 24), self.I(mean, self.data.Close, 168)

    def next(self):
        """Trade on a crossing, at the next candle's open."""
        if crossover(self.fast, self.slow):
            self.buy()
        elif crossover(self.slow, self.fast):
            self.position.close()


symbol, timeframe, start, end = sys.argv[1:5]
candles = load_ohlcv(symbol, timeframe, start, end, on_outage="drop")  # it cannot trade in an hour without a candle
fingerprint = candles.attrs["fingerprint"]
candles.columns = candles.columns.str.capitalize()
candles.index = candles.index.tz_localize(None)
stats = Backtest(candles, Crossing, cash=1_000_000, commission=0.001, finalize_trades=True).run()

result = {"equity": stats["Equity Final [$]"], "trades": int(stats["# Trades"])}
print(json.dumps({"fingerprint": fingerprint, "candles": len(candles)} | result))
