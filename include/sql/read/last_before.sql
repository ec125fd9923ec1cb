-- The close of the last candle before a range, to carry into an outage at its start.
-- Binds: symbol, timeframe, listed_at, starts. Reads market_data. Safe to run again.
SELECT close
FROM market_data
WHERE
    symbol = %(symbol)s::text
    AND timeframe = %(timeframe)s::text
    AND timestamp >= coalesce(%(listed_at)s::timestamptz, '-infinity')
    AND timestamp < %(starts)s::timestamptz
ORDER BY timestamp DESC
LIMIT 1;
