-- How many series are stored: none means that there is nothing to promise yet.
-- Binds: timeframes (text[]). Table: historical_data_range. Reads only.
SELECT count(*) FROM historical_data_range
WHERE timeframe = any(%(timeframes)s::text[]);
