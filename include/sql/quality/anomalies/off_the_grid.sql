-- severity: fail
-- Candles that do not open on the grid of their timeframe. The constraint timestamp_is_on_the_grid keeps them out; rows are
-- read only where a partition lacks it.
-- Binds: each_symbol, each_timeframe (text[], each once), range_start, range_end. Table: market_data. Reads only.
-- Rows: symbol, timeframe, timestamp, detail.
SELECT
    symbol,
    timeframe,
    timestamp,
    'opens between two ' || timeframe || ' candles' AS detail
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
                    AND guard.conname = 'timestamp_is_on_the_grid'
                    AND guard.convalidated
            )
    )
    AND symbol = any(%(each_symbol)s::text[])
    AND timeframe = any(%(each_timeframe)s::text[])
    AND timestamp >= %(range_start)s::timestamptz
    AND timestamp < %(range_end)s::timestamptz
    AND date_bin(timeframe_step(timeframe), timestamp, '1970-01-01 00:00+00') <> timestamp
ORDER BY symbol, timeframe, timestamp
