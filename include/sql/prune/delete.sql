-- Removes the candles of a series in [range_start, range_end).
-- Binds: symbol, timeframe, range_start, range_end. Table: market_data. A second run finds none.
DELETE FROM market_data
WHERE
    symbol = %(symbol)s::text
    AND timeframe = %(timeframe)s::text
    AND timestamp >= %(range_start)s::timestamptz
    AND timestamp < %(range_end)s::timestamptz;
