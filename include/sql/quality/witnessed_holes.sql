-- Spans of a timeframe that need not be asked for again: outages, and holes that at least two pairs share and none fills.
-- Binds: timeframe, range_start, range_end. Tables: exchange_outage, data_gap, market_data, historical_data_range. Reads only.
SELECT
    outage.starts_at,
    outage.ends_at
FROM exchange_outage AS outage
WHERE
    outage.timeframe = %(timeframe)s::text
    AND outage.starts_at < %(range_end)s::timestamptz
    AND outage.ends_at > %(range_start)s::timestamptz
UNION
SELECT
    hole.starts_at,
    hole.ends_at
FROM shared_holes(%(timeframe)s::text, %(range_start)s::timestamptz, %(range_end)s::timestamptz) AS hole
ORDER BY 1, 2
