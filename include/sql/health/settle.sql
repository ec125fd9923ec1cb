-- Brings the open rows of one promise in line with what was found: new ones are opened, known ones keep the time they were missed
-- at, and what is no longer found is cleared.
-- Binds: what, symbols, timeframes, details (text[]; entry i of the three is one finding), clock.
-- Table: sla_miss. A second run changes nothing.
WITH found AS (
    SELECT
        symbol,
        timeframe,
        detail
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[], %(details)s::text[]) AS finding (symbol, timeframe, detail)
),

cleared AS (
    UPDATE sla_miss AS miss SET cleared_at = greatest(miss.missed_at, miss.last_sent_at, %(clock)s::timestamptz)
    WHERE
        miss.what = %(what)s::text
        AND miss.cleared_at IS NULL
        AND NOT EXISTS (
            SELECT FROM found
            WHERE found.symbol IS NOT DISTINCT FROM miss.symbol AND found.timeframe IS NOT DISTINCT FROM miss.timeframe
        )
)

INSERT INTO sla_miss (what, symbol, timeframe, detail, missed_at)
SELECT
    %(what)s::text,
    found.symbol,
    found.timeframe,
    found.detail,
    %(clock)s::timestamptz
FROM found
ON CONFLICT (what, coalesce(symbol, ''), coalesce(timeframe, '')) WHERE cleared_at IS NULL
DO UPDATE
    SET detail = excluded.detail
    WHERE sla_miss.detail <> excluded.detail;
