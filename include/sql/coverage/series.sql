-- Every series that is stored or measured, over its last 365 days as last measured, with what is missing by cause. The worst first:
-- lowest adjusted completeness, then most missing candles.
-- Binds: timeframes (text[], null: all), tiers (text[], null: all), search (part of a symbol, '' for all), only_problems (boolean),
-- most (rows).
-- Tables: data_quality, data_gap, symbol_listing, historical_data_range. Reads only, counts no candle.
WITH listing AS (
    SELECT DISTINCT ON (symbol)
        symbol,
        exchange_symbol,
        tier,
        status,
        excluded_by,
        listed_at,
        delisted_at
    FROM symbol_listing
    ORDER BY symbol ASC, listing_number DESC
),

year AS (
    SELECT
        symbol,
        timeframe,
        date_range_start,
        date_range_end,
        expected_records,
        actual_records,
        missing_records,
        completeness_percentage,
        adjusted_completeness_percentage,
        has_gaps,
        has_anomalies,
        checked_at
    FROM data_quality
    WHERE period = '365d'
),

chosen AS (
    SELECT
        stored.symbol,
        stored.timeframe,
        listing.exchange_symbol,
        listing.tier,
        listing.status,
        listing.listed_at,
        listing.delisted_at,
        stored.earliest_date AS first,
        stored.latest_date AS last,
        stored.total_records AS candles,
        stored.last_synced AS last_sync,
        year.date_range_start,
        year.date_range_end,
        year.expected_records AS expected,
        year.actual_records AS present,
        year.missing_records AS missing,
        year.completeness_percentage AS raw,
        year.adjusted_completeness_percentage AS adjusted,
        year.has_gaps,
        year.has_anomalies,
        year.checked_at AS measured_at
    FROM historical_data_range AS stored
    LEFT JOIN year ON stored.symbol = year.symbol AND stored.timeframe = year.timeframe
    LEFT JOIN listing ON stored.symbol = listing.symbol
    WHERE
        listing.excluded_by IS NULL
        AND (%(timeframes)s::text[] IS NULL OR stored.timeframe = any(%(timeframes)s::text[]))
        AND (%(tiers)s::text[] IS NULL OR listing.tier = any(%(tiers)s::text[]))
        AND position(upper(%(search)s::text) IN upper(stored.symbol)) > 0
        AND (NOT %(only_problems)s::boolean OR year.has_gaps OR year.has_anomalies)
    ORDER BY
        year.adjusted_completeness_percentage ASC NULLS LAST, year.missing_records DESC NULLS LAST, stored.symbol ASC,
        timeframe_step(stored.timeframe) ASC
    LIMIT %(most)s::integer
),

parts AS (
    SELECT
        chosen.symbol,
        chosen.timeframe,
        gap.cause,
        extract(EPOCH FROM least(gap.gap_end, chosen.date_range_end) - greatest(gap.gap_start, chosen.date_range_start))
        / extract(EPOCH FROM timeframe_step(chosen.timeframe)) AS candles
    FROM chosen
    INNER JOIN data_gap AS gap
        ON
            chosen.symbol = gap.symbol
            AND chosen.timeframe = gap.timeframe
            AND chosen.date_range_end > gap.gap_start
            AND chosen.date_range_start < gap.gap_end
    WHERE gap.resolved_at IS NULL
),

causes AS (
    SELECT
        symbol,
        timeframe,
        coalesce(sum(candles) FILTER (WHERE cause = 'exchange_outage'), 0)::bigint AS outage,
        coalesce(sum(candles) FILTER (WHERE cause = 'suspension'), 0)::bigint AS suspension,
        coalesce(sum(candles) FILTER (WHERE cause = 'not_published'), 0)::bigint AS not_published,
        coalesce(sum(candles) FILTER (WHERE cause = 'pruned'), 0)::bigint AS pruned
    FROM parts
    GROUP BY symbol, timeframe
)

SELECT
    chosen.symbol,
    chosen.timeframe,
    chosen.exchange_symbol,
    chosen.tier,
    chosen.status,
    chosen.listed_at,
    chosen.delisted_at,
    chosen.first,
    chosen.last,
    chosen.candles,
    chosen.expected,
    chosen.present,
    chosen.missing,
    chosen.raw,
    chosen.adjusted,
    greatest(
        chosen.missing - coalesce(causes.outage + causes.suspension + causes.not_published + causes.pruned, 0), 0
    ) AS open,
    coalesce(causes.outage, 0) AS outage,
    coalesce(causes.suspension, 0) AS suspension,
    coalesce(causes.not_published, 0) AS not_published,
    coalesce(causes.pruned, 0) AS pruned,
    chosen.has_anomalies,
    chosen.last_sync,
    chosen.measured_at
FROM chosen
LEFT JOIN causes ON chosen.symbol = causes.symbol AND chosen.timeframe = causes.timeframe
ORDER BY
    chosen.adjusted ASC NULLS LAST, chosen.missing DESC NULLS LAST, chosen.symbol ASC, timeframe_step(chosen.timeframe) ASC;
