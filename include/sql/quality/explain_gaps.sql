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
        gap.cause AS known_cause,
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

-- a handful, as a rule: only these are looked up to be written
differing AS MATERIALIZED (
    SELECT
        symbol,
        timeframe,
        gap_start,
        gap_end,
        cause
    FROM judged
    WHERE known_cause <> cause
),

changed AS (
    UPDATE data_gap AS gap SET cause = differing.cause
    FROM differing
    WHERE
        gap.symbol = differing.symbol
        AND gap.timeframe = differing.timeframe
        AND gap.gap_start = differing.gap_start
        AND gap.gap_end = differing.gap_end
    RETURNING gap.gap_start, gap.gap_end
)

SELECT
    min(gap_start) AS earliest,
    max(gap_end) AS latest
FROM changed
