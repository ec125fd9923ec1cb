"""Where the candles of a window come from: monthly file, daily file, REST."""
