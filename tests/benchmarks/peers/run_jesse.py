"""jesse's import of candles at another address: run_jesse.py URL SYMBOL START, in a project's folder, by its Python.

START: a day, YYYY-MM-DD. jesse imports 1m candles up to this minute into the PostgreSQL of the folder's .env.
"""

from __future__ import annotations

import sys

from jesse.modes.import_candles_mode.drivers.Binance.BinanceSpot import BinanceSpot
from jesse.research import import_candles
from jesse.services.migrator import run as make_tables

url, symbol, start = sys.argv[1:4]
as_published = BinanceSpot.__init__


def here(self: BinanceSpot) -> None:
    """The driver, at the simulated exchange."""
    as_published(self)
    self.endpoint = f"{url}/api"


BinanceSpot.__init__ = here
make_tables()
print(import_candles("Binance Spot", symbol, start, show_progressbar=False))
