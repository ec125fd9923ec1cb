-- Outages of the exchange in [starts, ends), as seen at a timeframe, the newest first.
-- Binds: timeframe, starts, ends, most (rows). Table: exchange_outage. Reads only.
SELECT
    starts_at AS start,
    ends_at AS "end",
    evidence
FROM exchange_outage
WHERE
    timeframe = %(timeframe)s::text
    AND starts_at < %(ends)s::timestamptz
    AND ends_at > %(starts)s::timestamptz
ORDER BY starts_at DESC
LIMIT %(most)s::integer;
