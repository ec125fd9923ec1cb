-- Gaps that are there, of all series that are not excluded, the longest first.
-- Binds: timeframes (text[], null: all), tiers (text[], null: all), search (part of a symbol, '' for all), only_problems (boolean: only
-- those that a load can mend), most (rows). Tables: data_gap, symbol_listing. Reads only.
WITH listing AS (
    SELECT DISTINCT ON (symbol)
        symbol,
        tier
    FROM symbol_listing
    ORDER BY symbol ASC, listing_number DESC
)

SELECT
    gap.symbol,
    gap.timeframe,
    listing.tier,
    gap.gap_start AS start,
    gap.gap_end AS "end",
    gap.missing_records AS missing,
    gap.cause,
    gap.attempts,
    gap.first_seen,
    gap.last_checked
FROM data_gap AS gap
LEFT JOIN listing ON gap.symbol = listing.symbol
WHERE
    gap.resolved_at IS NULL
    AND listing.tier IS DISTINCT FROM 'excluded'
    AND (%(timeframes)s::text[] IS NULL OR gap.timeframe = any(%(timeframes)s::text[]))
    AND (%(tiers)s::text[] IS NULL OR listing.tier = any(%(tiers)s::text[]))
    AND position(upper(%(search)s::text) IN upper(gap.symbol)) > 0
    AND (NOT %(only_problems)s::boolean OR gap.cause IN ('open', 'not_published'))
ORDER BY gap.missing_records DESC, gap.symbol ASC, gap.timeframe ASC, gap.gap_start ASC
LIMIT %(most)s::integer;
