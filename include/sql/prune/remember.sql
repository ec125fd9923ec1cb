-- Keeps in data_gap what a prune took: each removed span from its first candle to the end of its last, and the open holes
-- inside of it, as pruned, where that is not remembered yet. Explained holes stay what they are; an open one that reaches out
-- of the span is cut.
-- Binds: timeframe, symbols, starts, ends (the removed spans), firsts, lasts (first candle, end of the last one; entry i of all
-- is one span), clock. Table: data_gap. A second run changes nothing.
WITH removed AS MATERIALIZED (
    SELECT
        symbol,
        range_agg(tstzrange(starts_at, ends_at)) AS span,
        range_agg(tstzrange(first_open, last_end)) AS stored
    FROM
        unnest(
            %(symbols)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[],
            %(firsts)s::timestamptz[], %(lasts)s::timestamptz[]
        ) AS spans (symbol, starts_at, ends_at, first_open, last_end)
    GROUP BY symbol
),

known AS MATERIALIZED (
    SELECT
        gap.symbol,
        gap.gap_start,
        gap.gap_end,
        gap.cause,
        gap.attempts,
        gap.rest_empty_on,
        gap.archive_empty_on,
        gap.first_seen,
        removed.span AS removed,
        gap.cause IN ('open', 'not_published') AS is_open
    FROM removed
    INNER JOIN data_gap AS gap
        ON removed.symbol = gap.symbol AND removed.span && tstzrange(gap.gap_start, gap.gap_end)
    WHERE gap.timeframe = %(timeframe)s::text AND gap.resolved_at IS NULL AND gap.cause <> 'pruned'
),

holes AS (
    SELECT
        symbol,
        range_agg(tstzrange(gap_start, gap_end)) FILTER (WHERE is_open) AS open_span,
        range_agg(tstzrange(gap_start, gap_end)) FILTER (WHERE NOT is_open) AS explained_span
    FROM known
    GROUP BY symbol
),

remembered AS (
    SELECT
        removed.symbol,
        range_agg(tstzrange(gap.gap_start, gap.gap_end)) AS span
    FROM removed
    INNER JOIN data_gap AS gap ON removed.symbol = gap.symbol AND removed.span && tstzrange(gap.gap_start, gap.gap_end)
    WHERE gap.timeframe = %(timeframe)s::text AND gap.resolved_at IS NULL AND gap.cause = 'pruned'
    GROUP BY removed.symbol
),

gaps AS MATERIALIZED (
    SELECT
        removed.symbol,
        unnest(
            removed.stored + coalesce(holes.open_span * removed.span, '{}') - coalesce(holes.explained_span, '{}')
            - coalesce(remembered.span, '{}')
        ) AS span,
        'pruned' AS cause,
        0 AS attempts,
        '{}'::date[] AS rest_empty_on,
        '{}'::date[] AS archive_empty_on,
        %(clock)s::timestamptz AS first_seen
    FROM removed
    LEFT JOIN holes ON removed.symbol = holes.symbol
    LEFT JOIN remembered ON removed.symbol = remembered.symbol
    UNION ALL
    SELECT
        symbol,
        unnest(tstzmultirange(tstzrange(gap_start, gap_end)) - removed),
        cause,
        attempts,
        rest_empty_on,
        archive_empty_on,
        first_seen
    FROM known
    WHERE is_open
),

resolved AS (
    UPDATE data_gap AS gap SET resolved_at = %(clock)s::timestamptz, last_checked = %(clock)s::timestamptz
    FROM known
    WHERE
        known.is_open
        AND gap.symbol = known.symbol
        AND gap.timeframe = %(timeframe)s::text
        AND gap.gap_start = known.gap_start
        AND gap.gap_end = known.gap_end
        AND (gap.symbol, gap.gap_start, gap.gap_end) NOT IN (
            SELECT
                gaps.symbol,
                lower(gaps.span),
                upper(gaps.span)
            FROM gaps
        )
)

INSERT INTO data_gap AS gap (
    symbol, timeframe, gap_start, gap_end, missing_records, cause, attempts, rest_empty_on, archive_empty_on, first_seen, last_checked
)
SELECT
    symbol,
    %(timeframe)s::text,
    lower(span),
    upper(span),
    (extract(EPOCH FROM upper(span) - lower(span)) / extract(EPOCH FROM timeframe_step(%(timeframe)s::text)))::bigint,
    cause,
    attempts,
    rest_empty_on,
    archive_empty_on,
    first_seen,
    %(clock)s::timestamptz
FROM gaps
ORDER BY symbol, lower(span)
ON CONFLICT (symbol, timeframe, gap_start, gap_end) DO UPDATE SET
    cause = excluded.cause,
    attempts = excluded.attempts,
    rest_empty_on = excluded.rest_empty_on,
    archive_empty_on = excluded.archive_empty_on,
    last_checked = excluded.last_checked,
    resolved_at = NULL;
