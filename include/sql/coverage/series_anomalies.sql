-- Implausible candles of a series in [starts, ends): wrong ones first, then unusual ones, the newest first; and how many there are.
-- Binds: symbol, timeframe, starts, ends, most (rows). Table: data_anomaly. Reads only.
SELECT
    timestamp,
    check_name AS "check",
    severity,
    detail,
    first_seen,
    count(*) OVER () AS total
FROM data_anomaly
WHERE
    symbol = %(symbol)s::text
    AND timeframe = %(timeframe)s::text
    AND timestamp >= %(starts)s::timestamptz
    AND timestamp < %(ends)s::timestamptz
ORDER BY severity ASC, timestamp DESC
LIMIT %(most)s::integer;
