-- What a prune takes out of [range_start, range_end): for each symbol the spans that open before the cutoff and are not
-- pinned, with the number of candles in each and the first and last open time. Spans without candles are left out.
-- Binds: timeframe, range_start, range_end, cutoff. Tables: market_data, dataset_pin, historical_data_range. Reads only.
WITH RECURSIVE symbols AS (
    -- from name to name along the key: to read them off the candles costs as much as to count those
    SELECT min(candle.symbol) AS symbol
    FROM market_data AS candle
    WHERE
        candle.timeframe = %(timeframe)s::text
        AND candle.timestamp >= %(range_start)s::timestamptz
        AND candle.timestamp < least(%(range_end)s::timestamptz, %(cutoff)s::timestamptz)
    UNION ALL
    SELECT (
        SELECT min(candle.symbol)
        FROM market_data AS candle
        WHERE
            candle.timeframe = %(timeframe)s::text
            AND candle.timestamp >= %(range_start)s::timestamptz
            AND candle.timestamp < least(%(range_end)s::timestamptz, %(cutoff)s::timestamptz)
            AND candle.symbol > symbols.symbol
    )
    FROM symbols
    WHERE symbols.symbol IS NOT NULL
),

spans AS MATERIALIZED (
    SELECT
        symbol,
        unnest(
            tstzmultirange(
                tstzrange(%(range_start)s::timestamptz, least(%(range_end)s::timestamptz, %(cutoff)s::timestamptz))
            )
            - pinned_span(symbol, %(timeframe)s::text)
        ) AS span
    FROM symbols
    WHERE symbol IS NOT NULL
)

SELECT
    spans.symbol,
    lower(spans.span) AS starts_at,
    upper(spans.span) AS ends_at,
    stored.candles,
    stored.first_open,
    stored.last_open
FROM spans
CROSS JOIN
    LATERAL (
        SELECT
            count(*) AS candles,
            min(candle.timestamp) AS first_open,
            max(candle.timestamp) AS last_open
        FROM market_data AS candle
        WHERE
            candle.symbol = spans.symbol
            AND candle.timeframe = %(timeframe)s::text
            AND candle.timestamp >= lower(spans.span)
            AND candle.timestamp < upper(spans.span)
    ) AS stored
WHERE stored.candles > 0
ORDER BY spans.symbol, lower(spans.span);
