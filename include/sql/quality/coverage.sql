-- How complete each series is in [range_start, range_end): first and last candle, candles stored and expected, missing ones and gaps
-- by cause. A year (UTC), or the part of it asked for, whose whole days are all in candle_day is added up, only its cut edges are counted;
-- any other year, and 1d, is counted. A series without a listing and without candles has no row.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), each_timeframe (text[], each once), range_start, range_end, clock
-- (or null: everything is closed).
-- Tables: candle_day, market_data, data_gap, symbol_listing, historical_data_range. Reads only.
WITH spans AS MATERIALIZED (
    SELECT
        symbol,
        timeframe,
        step,
        greatest(
            span_start, date_bin(step, %(range_start)s::timestamptz + step - interval '1 microsecond', '1970-01-01 00:00+00')
        ) AS span_start,
        least(
            span_end,
            date_bin(step, %(range_end)s::timestamptz + step - interval '1 microsecond', '1970-01-01 00:00+00'),
            date_bin(step, %(clock)s::timestamptz, '1970-01-01 00:00+00')
        ) AS span_end
    FROM listing_spans(%(symbols)s::text[], %(timeframes)s::text[])
),

counted AS (
    SELECT
        spans.symbol,
        spans.timeframe,
        coalesce(
            sum(extract(EPOCH FROM spans.span_end - spans.span_start) / extract(EPOCH FROM spans.step))
            FILTER (WHERE spans.span_start < spans.span_end),
            0
        )::bigint AS expected,
        coalesce(sum(stored.candles), 0)::bigint AS candles,
        min(ends.first_open) AS first_open,
        max(ends.last_open) AS last_open
    FROM spans
    -- year by year: a day that candle_day does not have costs the count of one year, not of all
    CROSS JOIN
        LATERAL (
            SELECT sum(part.candles) AS candles
            FROM
                generate_series(
                    date_trunc('year', spans.span_start, 'UTC'), spans.span_end - interval '1 microsecond', interval '1 year'
                ) AS calendar (year)
            CROSS JOIN
                LATERAL stored_candles(
                    spans.symbol,
                    spans.timeframe,
                    greatest(calendar.year, spans.span_start),
                    least(calendar.year + interval '1 year', spans.span_end)
                ) AS part
        ) AS stored
    CROSS JOIN
        LATERAL (
            SELECT
                min(candle.timestamp) AS first_open,
                max(candle.timestamp) AS last_open
            FROM market_data AS candle
            WHERE
                candle.symbol = spans.symbol
                AND candle.timeframe = spans.timeframe
                AND candle.timeframe = any(%(each_timeframe)s::text[])
                AND candle.timestamp >= spans.span_start
                AND candle.timestamp < spans.span_end
        ) AS ends
    GROUP BY spans.symbol, spans.timeframe
),

causes AS (
    SELECT
        spans.symbol,
        spans.timeframe,
        gap.cause,
        count(*) AS gaps,
        sum(
            extract(EPOCH FROM least(gap.gap_end, spans.span_end) - greatest(gap.gap_start, spans.span_start))
            / extract(EPOCH FROM spans.step)
        )::bigint AS missing
    FROM spans
    INNER JOIN data_gap AS gap
        ON
            spans.symbol = gap.symbol
            AND spans.timeframe = gap.timeframe
            AND spans.span_end > gap.gap_start
            AND spans.span_start < gap.gap_end
    WHERE gap.resolved_at IS NULL
    GROUP BY spans.symbol, spans.timeframe, gap.cause
),

explained AS (
    SELECT
        symbol,
        timeframe,
        json_object_agg(cause, gaps ORDER BY cause) AS gaps,
        json_object_agg(cause, missing ORDER BY cause) AS missing,
        coalesce(sum(missing) FILTER (WHERE cause IN ('exchange_outage', 'suspension', 'pruned')), 0)::bigint AS unfillable
    FROM causes
    GROUP BY symbol, timeframe
)

SELECT
    counted.symbol,
    counted.timeframe,
    counted.first_open,
    counted.last_open,
    counted.candles,
    counted.expected,
    least(coalesce(explained.unfillable, 0), counted.expected - counted.candles) AS unfillable,
    coalesce(explained.gaps, '{}') AS gaps,
    coalesce(explained.missing, '{}') AS missing
FROM counted
LEFT JOIN explained ON counted.symbol = explained.symbol AND counted.timeframe = explained.timeframe
INNER JOIN
    unnest(%(symbols)s::text[], %(timeframes)s::text[]) WITH ORDINALITY AS series (symbol, timeframe, position)
    ON counted.symbol = series.symbol AND counted.timeframe = series.timeframe
ORDER BY series.position
