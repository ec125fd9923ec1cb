-- How many candles of a timeframe [range_start, range_end) holds, of all symbols.
-- Binds: timeframe, range_start, range_end. Table: market_data. Reads only.
SELECT count(*)
FROM market_data
WHERE
    timeframe = %(timeframe)s::text
    AND timestamp >= %(range_start)s::timestamptz
    AND timestamp < %(range_end)s::timestamptz;
