"""freqtrade's own command line, its archive at another address: run_freqtrade.py URL COMMAND …, by its own Python.

The REST address is in its configuration file (`config` of archive.py), as freqtrade's documentation has it.
"""

from __future__ import annotations

import sys

from freqtrade.exchange import binance_public_data
from freqtrade.main import main

URL = sys.argv[1]
as_published = binance_public_data.binance_vision_ohlcv_zip_url


def here(*arguments: object) -> str:
    """The file's address, on the simulated exchange."""
    return as_published(*arguments).replace("https://data.binance.vision", URL)


binance_public_data.binance_vision_ohlcv_zip_url = here
main(sys.argv[2:])
