"""Candles for freqtrade: `freqtrade list-data` shows them, its backtests read them.

pip install ./include/klines/reader pyarrow
KLINES_DSN=postgresql://… python examples/export_freqtrade.py BTC,ETH 1h 2020-01-01 2022-01-01 user_data/data/binance
"""

import json
import sys

from include.klines.reader import export_freqtrade

symbols, timeframe, start, end, folder = sys.argv[1:6]
written = export_freqtrade(symbols.split(","), timeframe, start, end, folder)
print(json.dumps([str(path) for path in written]))
