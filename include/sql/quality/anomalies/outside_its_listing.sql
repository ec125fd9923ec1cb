-- severity: fail
-- Candles before the listing, after the delisting, or between two listings of their ticker: another asset's, or invented.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), each_timeframe (text[], each once), range_start, range_end.
-- Tables: market_data, symbol_listing. Reads only.
-- Rows: symbol, timeframe, timestamp, detail.
WITH series AS (
    SELECT
        wanted.symbol,
        wanted.timeframe,
        tstzmultirange(tstzrange(%(range_start)s::timestamptz, %(range_end)s::timestamptz))
        - range_agg(tstzrange(spans.span_start, spans.span_end)) AS outside
    FROM (
        SELECT DISTINCT
            symbol,
            timeframe
        FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS pairs (symbol, timeframe)
    ) AS wanted
    INNER JOIN listing_spans(%(symbols)s::text[], %(timeframes)s::text[]) AS spans
        ON wanted.symbol = spans.symbol AND wanted.timeframe = spans.timeframe
    GROUP BY wanted.symbol, wanted.timeframe
)

SELECT
    series.symbol,
    series.timeframe,
    candle.timestamp,
    'not between listing and delisting' AS detail
FROM series
CROSS JOIN LATERAL unnest(series.outside) AS gap (span)
CROSS JOIN
    LATERAL (
        SELECT stored.timestamp
        FROM market_data AS stored
        WHERE
            stored.symbol = series.symbol
            AND stored.timeframe = series.timeframe
            AND stored.timeframe = any(%(each_timeframe)s::text[])
            AND stored.timestamp >= lower(gap.span)
            AND stored.timestamp < upper(gap.span)
            AND stored.timestamp >= %(range_start)s::timestamptz
            AND stored.timestamp < %(range_end)s::timestamptz
        -- keeps this a few looks into an index: read as a join, every candle would be visited
        OFFSET 0 -- noqa: AM09
    ) AS candle
ORDER BY series.symbol, series.timeframe, candle.timestamp
