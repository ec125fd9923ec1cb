-- severity: fail
-- Candles whose high and low do not bound open and close. The constraint high_and_low_bound_open_and_close keeps them out;
-- rows are read only where a partition lacks it.
-- Binds: each_symbol, each_timeframe (text[], each once), range_start, range_end. Table: market_data. Reads only.
-- Rows: symbol, timeframe, timestamp, detail.
SELECT
    symbol,
    timeframe,
    timestamp,
    'open ' || open || ', high ' || high || ', low ' || low || ', close ' || close AS detail
FROM market_data
WHERE
    EXISTS (
        SELECT FROM pg_partition_tree('market_data') AS part
        WHERE
            part.isleaf
            AND NOT EXISTS (
                SELECT FROM pg_constraint AS guard
                WHERE
                    guard.conrelid = part.relid
                    AND guard.conname = 'high_and_low_bound_open_and_close'
                    AND guard.convalidated
            )
    )
    AND symbol = any(%(each_symbol)s::text[])
    AND timeframe = any(%(each_timeframe)s::text[])
    AND timestamp >= %(range_start)s::timestamptz
    AND timestamp < %(range_end)s::timestamptz
    AND NOT (low <= high AND open BETWEEN low AND high AND close BETWEEN low AND high)
ORDER BY symbol, timeframe, timestamp
