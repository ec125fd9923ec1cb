-- From the first to the last stored candle of any series; nulls while nothing is stored.
-- Binds: none. Tables: historical_data_range. Reads only.
SELECT
    min(earliest_date) AS first_open,
    max(latest_date + timeframe_step(timeframe)) AS ends_at
FROM historical_data_range
