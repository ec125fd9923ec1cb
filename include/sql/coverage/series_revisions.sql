-- Revisions of a series' candles in [starts, ends), the newest first, and how many there are.
-- Binds: symbol, timeframe, starts, ends, most (rows). Table: market_data_revision. Reads only.
SELECT
    timestamp,
    source,
    revised_at,
    json_build_object(
        'open', old_open, 'high', old_high, 'low', old_low, 'close', old_close, 'volume', old_volume,
        'quote_volume', old_quote_volume, 'trades', old_trades
    ) AS old,
    json_build_object(
        'open', new_open, 'high', new_high, 'low', new_low, 'close', new_close, 'volume', new_volume,
        'quote_volume', new_quote_volume, 'trades', new_trades
    ) AS new,
    count(*) OVER () AS total
FROM market_data_revision
WHERE
    symbol = %(symbol)s::text
    AND timeframe = %(timeframe)s::text
    AND timestamp >= %(starts)s::timestamptz
    AND timestamp < %(ends)s::timestamptz
ORDER BY revised_at DESC, timestamp DESC
LIMIT %(most)s::integer;
