-- The close of the last candle before a range, to carry into an outage at its start.
-- Binds: symbol, timeframe, first_open (of the listing, null = not known), starts. Reads market_data. Safe to run again.
SELECT close
FROM market_data
WHERE
    symbol = %(symbol)s::text
    AND timeframe = %(timeframe)s::text
    AND timestamp >= coalesce(%(first_open)s::timestamptz, '-infinity')
    AND timestamp < %(starts)s::timestamptz
ORDER BY timestamp DESC
LIMIT 1;
