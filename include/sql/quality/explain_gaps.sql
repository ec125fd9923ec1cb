-- Gives every gap its cause, from evidence alone: inside the union of outages = exchange_outage; REST and the archive both
-- found it empty on two different days = suspension; younger than 15 days and REST not asked = not_published; else open.
-- Pruned gaps keep their cause. A gap of any timeframe is judged by the outages of all: where no hour has a trade, no
-- minute and no day inside it has one.
-- Binds: clock. Tables: data_gap (written), exchange_outage. A second run changes nothing.
WITH standstill AS MATERIALIZED (
    SELECT coalesce(range_agg(tstzrange(starts_at, ends_at)), '{}') AS spans
    FROM exchange_outage
),

judged AS (
    SELECT
        gap.symbol,
        gap.timeframe,
        gap.gap_start,
        gap.gap_end,
        CASE
            WHEN tstzrange(gap.gap_start, gap.gap_end) <@ standstill.spans THEN 'exchange_outage'
            WHEN cardinality(gap.rest_empty_on) >= 2 AND cardinality(gap.archive_empty_on) >= 2 THEN 'suspension'
            WHEN gap.rest_empty_on = '{}' AND gap.gap_end > %(clock)s::timestamptz - interval '15 days' THEN 'not_published'
            ELSE 'open'
        END AS cause
    FROM data_gap AS gap
    CROSS JOIN standstill
    WHERE gap.resolved_at IS NULL AND gap.cause <> 'pruned'
),

changed AS (
    UPDATE data_gap AS gap SET cause = judged.cause
    FROM judged
    WHERE
        gap.symbol = judged.symbol
        AND gap.timeframe = judged.timeframe
        AND gap.gap_start = judged.gap_start
        AND gap.gap_end = judged.gap_end
        AND gap.cause <> judged.cause
    RETURNING gap.gap_start, gap.gap_end
)

SELECT
    min(gap_start) AS earliest,
    max(gap_end) AS latest
FROM changed
