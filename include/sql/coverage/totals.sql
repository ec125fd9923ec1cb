-- What is stored, in one row: series, symbols, candles, newest open time, the last sync, size on disk, when it was last measured.
-- Binds: none. Tables: historical_data_range, data_quality. Reads only, counts no candle.
SELECT
    count(*) AS series,
    count(DISTINCT symbol) AS symbols,
    coalesce(sum(total_records), 0)::bigint AS candles,
    max(latest_date) AS newest_candle,
    max(last_synced) AS last_synced,
    pg_database_size(current_database()) AS bytes,
    current_database() AS database,
    (SELECT max(quality.checked_at) FROM data_quality AS quality) AS measured_at
FROM historical_data_range;
