"""The same crossing in backtrader.

pip install ./include/klines/reader backtrader
KLINES_DSN=postgresql://… python examples/backtrader_crossing.py BTC 1h 2020-01-01 2022-01-01
"""

import json
import sys

import backtrader as bt

from include.klines.reader import load_ohlcv


class Crossing(bt.Strategy):
    """Long while the fast mean is above the slow one."""

    def __init__(self):
        self.crossing = bt.ind.CrossOver(bt.ind.SMA(period=24), bt.ind.SMA(period=168))
        self.fills = 0

    def next(self):
        """Trade on a crossing, at the next candle's open."""
        if self.crossing > 0:
            self.buy()
        elif self.crossing < 0 and self.position:
            self.close()

    def notify_order(self, order):
        """Count what was traded."""
        self.fills += order.status == order.Completed


symbol, timeframe, start, end = sys.argv[1:5]
candles = load_ohlcv(symbol, timeframe, start, end, on_outage="drop")
cerebro = bt.Cerebro()
cerebro.adddata(bt.feeds.PandasData(dataname=candles.tz_localize(None), openinterest=-1))
cerebro.addstrategy(Crossing)
cerebro.broker.setcash(1_000_000)
cerebro.broker.setcommission(commission=0.001)
(strategy,) = cerebro.run()

result = {"equity": cerebro.broker.getvalue(), "fills": strategy.fills}
print(json.dumps({"fingerprint": candles.attrs["fingerprint"], "candles": len(candles)} | result))
