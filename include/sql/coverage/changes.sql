-- What changed in (since, until], in one row: loads, gaps found and closed, promises, listings and outages.
-- Binds: since, until. Tables: data_sync_log, data_gap, sla_miss, symbol_listing, exchange_outage. Reads only.
WITH loads AS (
    SELECT
        coalesce(sum(rows_inserted), 0)::bigint AS candles_new,
        coalesce(sum(rows_revised), 0)::bigint AS candles_revised,
        coalesce(sum(requests), 0)::bigint AS requests,
        count(*) FILTER (WHERE status = 'failed') AS windows_failed
    FROM data_sync_log
    WHERE finished_at > %(since)s::timestamptz AND finished_at <= %(until)s::timestamptz
),

gaps AS (
    SELECT
        count(*) FILTER (WHERE first_seen > %(since)s::timestamptz AND resolved_at IS NULL) AS gaps_found,
        coalesce(
            sum(missing_records) FILTER (WHERE first_seen > %(since)s::timestamptz AND resolved_at IS NULL), 0
        )::bigint AS candles_missing,
        count(*) FILTER (WHERE resolved_at > %(since)s::timestamptz) AS gaps_closed
    FROM data_gap
    WHERE first_seen <= %(until)s::timestamptz
),

promises AS (
    SELECT
        count(*) FILTER (WHERE missed_at > %(since)s::timestamptz) AS promises_broken,
        count(*) FILTER (WHERE cleared_at > %(since)s::timestamptz) AS promises_cleared
    FROM sla_miss
    WHERE missed_at <= %(until)s::timestamptz
),

listings AS (
    SELECT
        coalesce(
            array_agg(symbol ORDER BY symbol)
            FILTER (WHERE listed_at > %(since)s::timestamptz AND listed_at <= %(until)s::timestamptz), '{}'
        ) AS listed,
        coalesce(
            array_agg(symbol ORDER BY symbol)
            FILTER (WHERE delisted_at > %(since)s::timestamptz AND delisted_at <= %(until)s::timestamptz), '{}'
        ) AS delisted
    FROM symbol_listing
    WHERE excluded_by IS NULL
),

outages AS (
    SELECT count(DISTINCT starts_at) AS outages_found
    FROM exchange_outage
    WHERE ends_at > %(since)s::timestamptz AND ends_at <= %(until)s::timestamptz
)

SELECT
    loads.candles_new,
    loads.candles_revised,
    loads.requests,
    loads.windows_failed,
    gaps.gaps_found,
    gaps.candles_missing,
    gaps.gaps_closed,
    promises.promises_broken,
    promises.promises_cleared,
    listings.listed,
    listings.delisted,
    outages.outages_found
FROM loads, gaps, promises, listings, outages;
