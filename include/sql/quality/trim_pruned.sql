-- What is stored again is pruned no longer: each pruned gap that [range_start, range_end) touches is cut at the candles inside of it,
-- or resolved, whoever brought them back. Else it would count as an explanation of other candles that are missing.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), each_timeframe (text[], each once), range_start, range_end, clock.
-- Tables: data_gap (written), market_data. A second run changes nothing.
WITH taken AS MATERIALIZED (
    SELECT
        gap.symbol,
        gap.timeframe,
        gap.gap_start,
        gap.gap_end,
        gap.first_seen
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
    INNER JOIN data_gap AS gap ON series.symbol = gap.symbol AND series.timeframe = gap.timeframe
    WHERE
        gap.resolved_at IS NULL
        AND gap.cause = 'pruned'
        AND gap.gap_start < %(range_end)s::timestamptz
        AND gap.gap_end > %(range_start)s::timestamptz
),

cut AS MATERIALIZED (
    SELECT
        taken.symbol,
        taken.timeframe,
        taken.gap_start,
        taken.gap_end,
        taken.first_seen,
        tstzmultirange(tstzrange(taken.gap_start, taken.gap_end)) - back.span AS rest
    FROM taken
    CROSS JOIN
        LATERAL (
            SELECT range_agg(tstzrange(candle.timestamp, candle.timestamp + timeframe_step(taken.timeframe))) AS span
            FROM market_data AS candle
            WHERE
                candle.symbol = taken.symbol
                AND candle.timeframe = taken.timeframe
                AND candle.timeframe = any(%(each_timeframe)s::text[])
                AND candle.timestamp >= taken.gap_start
                AND candle.timestamp < taken.gap_end
        ) AS back
    WHERE back.span IS NOT NULL
),

resolved AS (
    UPDATE data_gap AS gap SET resolved_at = %(clock)s::timestamptz, last_checked = %(clock)s::timestamptz
    FROM cut
    WHERE
        gap.symbol = cut.symbol
        AND gap.timeframe = cut.timeframe
        AND gap.gap_start = cut.gap_start
        AND gap.gap_end = cut.gap_end
)

INSERT INTO data_gap AS gap (symbol, timeframe, gap_start, gap_end, missing_records, cause, first_seen, last_checked)
SELECT
    cut.symbol,
    cut.timeframe,
    lower(part.span),
    upper(part.span),
    (extract(EPOCH FROM upper(part.span) - lower(part.span)) / extract(EPOCH FROM timeframe_step(cut.timeframe)))::bigint,
    'pruned',
    min(cut.first_seen),
    %(clock)s::timestamptz
FROM cut
CROSS JOIN LATERAL unnest(cut.rest) AS part (span)
GROUP BY cut.symbol, cut.timeframe, part.span
ORDER BY cut.symbol, cut.timeframe, lower(part.span)
ON CONFLICT (symbol, timeframe, gap_start, gap_end) DO UPDATE SET
    cause = excluded.cause,
    last_checked = excluded.last_checked,
    resolved_at = NULL
