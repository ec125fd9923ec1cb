-- Finds the runs of missing candles in the months that [range_start, range_end) touches, at their edges too, and keeps them in data_gap.
-- A gap is a longest run with the same evidence (explained cause, days on which it was confirmed empty): what has been
-- learned about a part of a run stays with that part. A gap that fills, or whose extent changes, is resolved; its parts
-- that are still missing inherit first_seen, attempts and evidence. What retention took (pruned) is never a gap again.
-- Months that count_months.sql found full at this very clock are not searched, nor days that candle_day has as full, nor what the
-- caller has just stored without a hole.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), each_timeframe (text[], each once), range_start, range_end,
-- clock, known_full (tstzmultirange, of each of the series).
-- Tables: data_gap (written), market_data, candle_day, symbol_listing, historical_data_range, data_quality. A second run changes nothing.
WITH pieces AS MATERIALIZED (
    SELECT
        symbol,
        timeframe,
        step,
        piece_start,
        piece_end,
        is_counted_full
    FROM
        expected_pieces(
            %(symbols)s::text[],
            %(timeframes)s::text[],
            %(range_start)s::timestamptz,
            %(range_end)s::timestamptz,
            %(clock)s::timestamptz
        )
),

searched AS (
    SELECT
        symbol,
        timeframe,
        range_agg(tstzrange(piece_start, piece_end)) AS span
    FROM pieces
    GROUP BY symbol, timeframe
),

-- the window itself belongs to it where nothing is expected, as when a delisting becomes known
asked AS (
    SELECT
        series.symbol,
        series.timeframe,
        series.step,
        tstzmultirange(tstzrange(series.asked_start, greatest(series.asked_start, series.asked_end)))
        + coalesce(searched.span, '{}') AS span
    FROM (
        SELECT
            wanted.symbol,
            wanted.timeframe,
            steps.step,
            date_bin(
                steps.step, %(range_start)s::timestamptz + steps.step - interval '1 microsecond', '1970-01-01 00:00+00'
            ) AS asked_start,
            least(
                date_bin(
                    steps.step, %(range_end)s::timestamptz + steps.step - interval '1 microsecond', '1970-01-01 00:00+00'
                ),
                date_bin(steps.step, %(clock)s::timestamptz, '1970-01-01 00:00+00')
            ) AS asked_end
        FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS wanted (symbol, timeframe)
        CROSS JOIN LATERAL timeframe_step(wanted.timeframe) AS steps (step)
    ) AS series
    LEFT JOIN searched ON series.symbol = searched.symbol AND series.timeframe = searched.timeframe
),

-- without what is known to be full
stretches AS (
    SELECT
        pieces.symbol,
        pieces.timeframe,
        pieces.step,
        unnest(
            tstzmultirange(tstzrange(pieces.piece_start, pieces.piece_end))
            - coalesce(full_days.span, '{}')
            - %(known_full)s::tstzmultirange
        ) AS span
    FROM pieces
    LEFT JOIN
        LATERAL (
            SELECT range_agg(tstzrange(known.day, known.day + interval '1 day')) AS span
            FROM candle_day AS known
            WHERE
                known.symbol = pieces.symbol
                AND known.timeframe = pieces.timeframe
                AND known.day >= pieces.piece_start
                AND known.day <= pieces.piece_end - interval '1 day'
                AND known.candles * pieces.step = interval '1 day'
        ) AS full_days
        ON TRUE
    WHERE NOT pieces.is_counted_full
),

found AS (
    SELECT
        stretches.symbol,
        stretches.timeframe,
        range_agg(tstzrange(neighbours.due, neighbours.stored)) AS span
    FROM stretches
    CROSS JOIN
        LATERAL (
            SELECT
                present.stored,
                coalesce(lag(present.stored) OVER (ORDER BY present.stored) + stretches.step, lower(stretches.span)) AS due
            FROM (
                SELECT candle.timestamp AS stored
                FROM market_data AS candle
                WHERE
                    candle.symbol = stretches.symbol
                    AND candle.timeframe = stretches.timeframe
                    AND candle.timeframe = any(%(each_timeframe)s::text[])
                    AND candle.timestamp >= lower(stretches.span)
                    AND candle.timestamp < upper(stretches.span)
                UNION ALL
                SELECT upper(stretches.span)
            ) AS present
        ) AS neighbours
    WHERE neighbours.due < neighbours.stored
    GROUP BY stretches.symbol, stretches.timeframe
),

known AS MATERIALIZED (
    SELECT
        gap.symbol,
        gap.timeframe,
        gap.gap_start,
        gap.gap_end,
        gap.cause,
        gap.rest_empty_on,
        gap.archive_empty_on,
        gap.attempts,
        gap.first_seen,
        tstzmultirange(tstzrange(gap.gap_start, gap.gap_end)) AS span
    FROM asked
    CROSS JOIN
        LATERAL (
            SELECT
                stored.symbol,
                stored.timeframe,
                stored.gap_start,
                stored.gap_end,
                stored.cause,
                stored.rest_empty_on,
                stored.archive_empty_on,
                stored.attempts,
                stored.first_seen
            FROM data_gap AS stored
            WHERE
                stored.symbol = asked.symbol
                AND stored.timeframe = asked.timeframe
                AND stored.resolved_at IS NULL
                AND tstzrange(stored.gap_start - interval '1 microsecond', stored.gap_end, '[]') && asked.span
            -- so that the planner expects one of each series, not one at all, and compares all with all
            OFFSET 0 -- noqa: AM09
        ) AS gap
),

unresolved AS (
    SELECT
        symbol,
        timeframe,
        range_agg(span) FILTER (WHERE cause <> 'pruned') AS span,
        range_agg(span) FILTER (WHERE cause = 'pruned') AS pruned
    FROM known
    GROUP BY symbol, timeframe
),

missing AS MATERIALIZED (
    SELECT
        asked.symbol,
        asked.timeframe,
        asked.step,
        coalesce(found.span, '{}')
        + (coalesce(unresolved.span, '{}') - asked.span)
        - coalesce(unresolved.pruned, '{}') AS span,
        coalesce(unresolved.span, '{}') AS known_span
    FROM asked
    LEFT JOIN found ON asked.symbol = found.symbol AND asked.timeframe = found.timeframe
    LEFT JOIN unresolved ON asked.symbol = unresolved.symbol AND asked.timeframe = unresolved.timeframe
),

parts AS (
    SELECT
        missing.symbol,
        missing.timeframe,
        missing.step,
        missing.span * known.span AS span,
        CASE WHEN known.cause = 'not_published' THEN 'open' ELSE known.cause END AS cause,
        CASE WHEN known.cause <> 'suspension' THEN known.rest_empty_on END AS rest_empty_on,
        CASE WHEN known.cause <> 'suspension' THEN known.archive_empty_on END AS archive_empty_on
    FROM missing
    INNER JOIN known ON missing.symbol = known.symbol AND missing.timeframe = known.timeframe AND known.cause <> 'pruned'
    UNION ALL
    SELECT
        symbol,
        timeframe,
        step,
        span - known_span AS span,
        'open',
        '{}'::date[],
        '{}'::date[]
    FROM missing
),

gaps AS MATERIALIZED (
    SELECT
        runs.symbol,
        runs.timeframe,
        runs.cause,
        lower(runs.span) AS gap_start,
        upper(runs.span) AS gap_end,
        (extract(EPOCH FROM upper(runs.span) - lower(runs.span)) / extract(EPOCH FROM runs.step))::bigint AS missing_records,
        coalesce(max(known.attempts), 0) AS attempts,
        coalesce(min(known.first_seen), %(clock)s::timestamptz) AS first_seen,
        coalesce(array_agg(DISTINCT rest.day ORDER BY rest.day) FILTER (WHERE rest.day IS NOT NULL), '{}') AS rest_empty_on,
        coalesce(array_agg(DISTINCT archive.day ORDER BY archive.day) FILTER (WHERE archive.day IS NOT NULL), '{}') AS archive_empty_on
    FROM (
        SELECT
            symbol,
            timeframe,
            step,
            cause,
            unnest(range_agg(span)) AS span
        FROM parts
        GROUP BY symbol, timeframe, step, cause, rest_empty_on, archive_empty_on
    ) AS runs
    LEFT JOIN known
        ON
            runs.symbol = known.symbol
            AND runs.timeframe = known.timeframe
            AND known.cause <> 'pruned'
            AND lower(runs.span) < known.gap_end
            AND upper(runs.span) > known.gap_start
    LEFT JOIN LATERAL unnest(known.rest_empty_on) AS rest (day) ON TRUE
    LEFT JOIN LATERAL unnest(known.archive_empty_on) AS archive (day) ON TRUE
    GROUP BY runs.symbol, runs.timeframe, runs.step, runs.cause, runs.span
),

resolved AS (
    UPDATE data_gap AS gap SET resolved_at = %(clock)s::timestamptz, last_checked = %(clock)s::timestamptz
    FROM known
    WHERE
        gap.symbol = known.symbol
        AND gap.timeframe = known.timeframe
        AND gap.gap_start = known.gap_start
        AND gap.gap_end = known.gap_end
        AND known.cause <> 'pruned'
        AND (gap.symbol, gap.timeframe, gap.gap_start, gap.gap_end) NOT IN (
            SELECT
                gaps.symbol,
                gaps.timeframe,
                gaps.gap_start,
                gaps.gap_end
            FROM gaps
        )
)

INSERT INTO data_gap AS gap (
    symbol, timeframe, gap_start, gap_end, missing_records, cause, attempts, rest_empty_on, archive_empty_on, first_seen, last_checked
)
SELECT
    symbol,
    timeframe,
    gap_start,
    gap_end,
    missing_records,
    cause,
    attempts,
    rest_empty_on,
    archive_empty_on,
    first_seen,
    %(clock)s::timestamptz
FROM gaps
ORDER BY symbol, timeframe, gap_start
ON CONFLICT (symbol, timeframe, gap_start, gap_end) DO UPDATE SET
    last_checked = excluded.last_checked,
    resolved_at = NULL,
    -- a gap that had filled and is back starts anew: what was learned then is disproved
    cause = CASE WHEN gap.resolved_at IS NULL THEN gap.cause ELSE excluded.cause END,
    attempts = CASE WHEN gap.resolved_at IS NULL THEN gap.attempts ELSE excluded.attempts END,
    rest_empty_on = CASE WHEN gap.resolved_at IS NULL THEN gap.rest_empty_on ELSE excluded.rest_empty_on END,
    archive_empty_on = CASE WHEN gap.resolved_at IS NULL THEN gap.archive_empty_on ELSE excluded.archive_empty_on END
