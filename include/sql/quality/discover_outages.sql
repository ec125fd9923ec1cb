-- Keeps the spans that all pairs miss together as outages of the exchange; touching ones become one.
-- Binds: timeframes (text[]), range_start, range_end, clock. Tables: exchange_outage (written), data_gap, market_data,
-- historical_data_range. A second run changes nothing.
WITH shared AS MATERIALIZED (
    SELECT
        wanted.timeframe,
        hole.starts_at,
        hole.ends_at,
        hole.symbols
    FROM (SELECT DISTINCT unnest(%(timeframes)s::text[]) AS timeframe) AS wanted
    CROSS JOIN LATERAL shared_holes(wanted.timeframe, %(range_start)s::timestamptz, %(range_end)s::timestamptz) AS hole
),

known AS MATERIALIZED (
    SELECT
        outage.timeframe,
        outage.starts_at,
        outage.ends_at
    FROM exchange_outage AS outage
    WHERE
        EXISTS (
            SELECT FROM shared
            WHERE
                shared.timeframe = outage.timeframe
                AND shared.starts_at <= outage.ends_at
                AND shared.ends_at >= outage.starts_at
        )
),

outages AS MATERIALIZED (
    SELECT
        timeframe,
        lower(span) AS starts_at,
        upper(span) AS ends_at
    FROM (
        SELECT
            timeframe,
            unnest(range_agg(tstzrange(starts_at, ends_at))) AS span
        FROM (
            SELECT
                timeframe,
                starts_at,
                ends_at
            FROM shared
            UNION ALL
            SELECT
                timeframe,
                starts_at,
                ends_at
            FROM known
        ) AS spans
        GROUP BY timeframe
    ) AS merged
),

swallowed AS (
    DELETE FROM exchange_outage AS outage
    USING known
    WHERE
        outage.timeframe = known.timeframe
        AND outage.starts_at = known.starts_at
        AND NOT EXISTS (
            SELECT FROM outages
            WHERE outages.timeframe = outage.timeframe AND outages.starts_at = outage.starts_at
        )
)

INSERT INTO exchange_outage AS outage (timeframe, starts_at, ends_at, source, evidence, discovered_at)
SELECT
    outages.timeframe,
    outages.starts_at,
    outages.ends_at,
    'stored candles',
    'No ' || outages.timeframe || ' candle for ' || array_to_string(witnesses.symbols[1:5], ', ')
    || CASE WHEN cardinality(witnesses.symbols) > 5 THEN ' and ' || (cardinality(witnesses.symbols) - 5) || ' more' ELSE '' END
    || ', each with candles right before and after; no stored pair has one.',
    %(clock)s::timestamptz
FROM outages
CROSS JOIN
    LATERAL (
        SELECT shared.symbols
        FROM shared
        WHERE
            shared.timeframe = outages.timeframe
            AND shared.starts_at >= outages.starts_at
            AND shared.ends_at <= outages.ends_at
        ORDER BY cardinality(shared.symbols) DESC
        LIMIT 1
    ) AS witnesses
ORDER BY outages.timeframe, outages.starts_at
ON CONFLICT (timeframe, starts_at) DO UPDATE
    SET
        ends_at = excluded.ends_at,
        source = excluded.source,
        evidence = excluded.evidence
    WHERE outage.ends_at <> excluded.ends_at
RETURNING outage.timeframe, outage.starts_at, outage.ends_at
