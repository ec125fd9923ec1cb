-- Keeps the partitions of some timeframes in their places until the transaction ends, and waits for whoever replaces one: a statement that
-- waits for that inside of a function would see none of its candles. Function: hold_candles.
-- Binds: each_timeframe (text[], each once). A second run is safe.
SELECT hold_candles(%(each_timeframe)s::text[])
