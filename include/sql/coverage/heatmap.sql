-- The heatmap of one timeframe as JSON text: the months, and for each series its listing and one cell a month.
-- A cell: null = not listed or nothing expected; -1 = listed but never measured; n = n expected, all there;
-- [expected, present, outage, suspension, not_published, pruned, open, anomalies of severity fail].
-- Binds: timeframe, tiers (text[], null: all), search (part of a symbol, '' for all), only_problems (boolean), clock.
-- Tables: data_quality, data_gap, data_anomaly, symbol_listing, historical_data_range. Reads only, counts no candle.
WITH listing AS (
    SELECT
        symbol,
        (array_agg(tier ORDER BY listing_number DESC))[1] AS tier,
        (array_agg(status ORDER BY listing_number DESC))[1] AS status,
        (array_agg(excluded_by ORDER BY listing_number DESC))[1] AS excluded_by,
        min(listed_at) AS listed_at,
        CASE WHEN bool_and(delisted_at IS NOT NULL) THEN max(delisted_at) END AS delisted_at,
        range_agg(tstzrange(listed_at, delisted_at)) FILTER (WHERE listed_at IS NOT NULL) AS spans
    FROM symbol_listing
    GROUP BY symbol
),

measured AS MATERIALIZED (
    SELECT
        symbol,
        date_range_start,
        date_range_end,
        expected_records,
        actual_records,
        unfillable_records,
        has_gaps,
        has_anomalies,
        checked_at,
        (
            extract(YEAR FROM date_range_start AT TIME ZONE 'UTC') * 12
            + extract(MONTH FROM date_range_start AT TIME ZONE 'UTC') - 1
        )::integer AS month
    FROM data_quality
    WHERE period = 'month' AND timeframe = %(timeframe)s::text
),

series AS MATERIALIZED (
    SELECT symbol FROM measured
    UNION
    SELECT symbol FROM historical_data_range
    WHERE timeframe = %(timeframe)s::text
),

chosen AS MATERIALIZED (
    SELECT
        series.symbol,
        listing.tier,
        listing.status,
        listing.listed_at,
        listing.delisted_at,
        listing.spans,
        row_number() OVER (ORDER BY listing.tier IS DISTINCT FROM 'core', series.symbol) * 100000 AS line
    FROM series
    LEFT JOIN listing ON series.symbol = listing.symbol
    WHERE
        listing.excluded_by IS NULL
        AND (%(tiers)s::text[] IS NULL OR listing.tier = any(%(tiers)s::text[]))
        AND position(upper(%(search)s::text) IN upper(series.symbol)) > 0
        AND (
            NOT %(only_problems)s::boolean
            OR series.symbol IN (
                SELECT measured.symbol FROM measured
                WHERE measured.has_gaps OR measured.has_anomalies
            )
        )
),

bounds AS (
    SELECT
        min(month) AS first_month,
        (
            extract(YEAR FROM %(clock)s::timestamptz AT TIME ZONE 'UTC') * 12
            + extract(MONTH FROM %(clock)s::timestamptz AT TIME ZONE 'UTC') - 1
        )::integer AS last_month
    FROM measured
),

calendar AS MATERIALIZED (
    SELECT
        each.month,
        make_timestamptz(each.month / 12, mod(each.month, 12) + 1, 1, 0, 0, 0, 'UTC') AS starts_at
    FROM bounds, generate_series(bounds.first_month, bounds.last_month) AS each (month)
),

known AS (
    SELECT
        chosen.line + measured.month AS place,
        measured.symbol,
        measured.date_range_start,
        measured.date_range_end,
        measured.expected_records,
        measured.actual_records,
        measured.unfillable_records
    FROM measured
    INNER JOIN chosen ON measured.symbol = chosen.symbol
),

missing AS (
    SELECT
        known.place,
        gap.cause,
        extract(EPOCH FROM least(gap.gap_end, known.date_range_end) - greatest(gap.gap_start, known.date_range_start))
        / extract(EPOCH FROM timeframe_step(%(timeframe)s::text)) AS candles
    FROM known
    INNER JOIN data_gap AS gap
        ON
            known.symbol = gap.symbol
            AND gap.timeframe = %(timeframe)s::text
            AND known.date_range_end > gap.gap_start
            AND known.date_range_start < gap.gap_end
    WHERE known.expected_records > known.actual_records AND gap.resolved_at IS NULL AND gap.cause <> 'open'
),

causes AS (
    SELECT
        place,
        coalesce(sum(candles) FILTER (WHERE cause = 'exchange_outage'), 0)::bigint AS outage,
        coalesce(sum(candles) FILTER (WHERE cause = 'suspension'), 0)::bigint AS suspension,
        coalesce(sum(candles) FILTER (WHERE cause = 'not_published'), 0)::bigint AS not_published,
        coalesce(sum(candles) FILTER (WHERE cause = 'pruned'), 0)::bigint AS pruned
    FROM missing
    GROUP BY place
),

found AS (
    SELECT
        symbol,
        date_trunc('month', timestamp, 'UTC') AS starts_at,
        count(*) AS anomalies
    FROM data_anomaly
    WHERE timeframe = %(timeframe)s::text AND severity = 'fail'
    GROUP BY symbol, date_trunc('month', timestamp, 'UTC')
),

wrong AS (
    SELECT
        chosen.line + calendar.month AS place,
        found.anomalies
    FROM found
    INNER JOIN chosen ON found.symbol = chosen.symbol
    INNER JOIN calendar ON found.starts_at = calendar.starts_at
),

cells AS (
    SELECT
        chosen.line,
        chosen.line + calendar.month AS place,
        known.expected_records,
        known.actual_records,
        known.unfillable_records,
        CASE
            WHEN known.expected_records > known.actual_records OR (known.expected_records > 0 AND wrong.anomalies > 0)
                THEN '[' || concat_ws(
                    ',',
                    known.expected_records, known.actual_records,
                    coalesce(causes.outage, 0), coalesce(causes.suspension, 0),
                    coalesce(causes.not_published, 0), coalesce(causes.pruned, 0),
                    greatest(
                        known.expected_records - known.actual_records - coalesce(
                            causes.outage + causes.suspension + causes.not_published + causes.pruned, 0
                        ), 0
                    ),
                    coalesce(wrong.anomalies, 0)
                ) || ']'
            WHEN known.expected_records > 0 THEN known.expected_records::text
            WHEN
                known.expected_records IS NULL
                AND chosen.spans && tstzmultirange(tstzrange(calendar.starts_at, calendar.starts_at + interval '1 month'))
                THEN '-1'
            ELSE 'null'
        END AS cell
    FROM chosen
    CROSS JOIN calendar
    LEFT JOIN known ON chosen.line + calendar.month = known.place
    LEFT JOIN causes ON chosen.line + calendar.month = causes.place
    LEFT JOIN wrong ON chosen.line + calendar.month = wrong.place
),

drawn AS (
    SELECT
        line,
        string_agg(cell, ',' ORDER BY place) AS cells,
        sum(expected_records) AS expected,
        sum(actual_records) AS present,
        sum(unfillable_records) AS unfillable
    FROM cells
    GROUP BY line
)

SELECT
    json_build_object(
        'as_of', to_char(%(clock)s::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'measured_at', (
            SELECT to_char(max(measured.checked_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM measured
        ),
        'timeframe', %(timeframe)s::text,
        'months', (
            SELECT coalesce(json_agg(to_char(calendar.starts_at AT TIME ZONE 'UTC', 'YYYY-MM') ORDER BY calendar.month), '[]')
            FROM calendar
        ),
        'series', coalesce(
            json_agg(
                json_build_object(
                    'symbol', chosen.symbol,
                    'tier', chosen.tier,
                    'listed_at', to_char(chosen.listed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                    'delisted_at', to_char(chosen.delisted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                    'status', chosen.status,
                    'expected', coalesce(drawn.expected, 0),
                    'present', coalesce(drawn.present, 0),
                    'adjusted', CASE
                        WHEN drawn.expected > drawn.unfillable
                            THEN round(trunc(100.0 * drawn.present / (drawn.expected - drawn.unfillable), 4), 4)
                    END,
                    'cells', ('[' || coalesce(drawn.cells, '') || ']')::json
                )
                ORDER BY chosen.line
            ),
            '[]'
        )
    )::text AS answer
FROM chosen
LEFT JOIN drawn ON chosen.line = drawn.line;
