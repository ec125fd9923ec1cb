-- What of [range_start, range_end) the archive has not been asked for yet, by symbol: the range without the stored candles and
-- without the gaps that are explained or that a source has found empty before. Spans on the grid, in order.
-- Binds: symbols (text[]), timeframe, range_start, range_end. Tables: market_data, data_gap. Reads only.
WITH stored AS (
    SELECT
        symbol,
        range_agg(tstzrange(timestamp, timestamp + timeframe_step(%(timeframe)s::text))) AS span
    FROM market_data
    WHERE
        symbol = any(%(symbols)s::text[])
        AND timeframe = %(timeframe)s::text
        AND timestamp >= %(range_start)s::timestamptz
        AND timestamp < %(range_end)s::timestamptz
    GROUP BY symbol
),

settled AS (
    SELECT
        symbol,
        range_agg(tstzrange(gap_start, gap_end)) AS span
    FROM data_gap
    WHERE
        symbol = any(%(symbols)s::text[])
        AND timeframe = %(timeframe)s::text
        AND resolved_at IS NULL
        AND (
            cause IN ('exchange_outage', 'suspension', 'pruned')
            OR rest_empty_on <> '{}'
            OR archive_empty_on <> '{}'
        )
    GROUP BY symbol
)

SELECT
    series.symbol,
    lower(missing.span) AS starts_at,
    upper(missing.span) AS ends_at
FROM unnest(%(symbols)s::text[]) AS series (symbol)
LEFT JOIN stored ON series.symbol = stored.symbol
LEFT JOIN settled ON series.symbol = settled.symbol
CROSS JOIN
    LATERAL unnest(
        tstzmultirange(tstzrange(%(range_start)s::timestamptz, %(range_end)s::timestamptz))
        - coalesce(stored.span, '{}')
        - coalesce(settled.span, '{}')
    ) AS missing (span)
ORDER BY series.symbol, lower(missing.span);
