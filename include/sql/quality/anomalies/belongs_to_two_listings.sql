-- severity: fail
-- Candles that two listings claim: listings of one ticker that overlap, or the same traded candle under a pair and under
-- its successor.
-- Binds: each_symbol, each_timeframe (text[], each once), range_start, range_end. Tables: market_data, symbol_listing. Reads only.
-- Rows: symbol, timeframe, timestamp, detail.
WITH shared AS MATERIALIZED (
    SELECT
        one.symbol,
        one.listing_number AS one_number,
        other.listing_number AS other_number,
        greatest(one.listed_at, other.listed_at) AS starts_at,
        least(one.delisted_at, other.delisted_at, 'infinity') AS ends_at
    FROM symbol_listing AS one
    INNER JOIN symbol_listing AS other
        ON
            one.symbol = other.symbol
            AND one.listing_number < other.listing_number
            AND other.listed_at < coalesce(one.delisted_at, 'infinity')
            AND one.listed_at < coalesce(other.delisted_at, 'infinity')
    WHERE one.symbol = any(%(each_symbol)s::text[])
),

successions AS MATERIALIZED (
    SELECT DISTINCT
        symbol,
        successor
    FROM symbol_listing
    WHERE successor IS NOT NULL AND (symbol = any(%(each_symbol)s::text[]) OR successor = any(%(each_symbol)s::text[]))
)

SELECT
    shared.symbol,
    candle.timeframe,
    candle.timestamp,
    'lies in listings ' || shared.one_number || ' and ' || shared.other_number || ' of ' || shared.symbol AS detail
FROM shared
CROSS JOIN
    LATERAL (
        SELECT
            stored.timeframe,
            stored.timestamp
        FROM market_data AS stored
        WHERE
            stored.symbol = shared.symbol
            AND stored.timeframe = any(%(each_timeframe)s::text[])
            AND stored.timestamp >= %(range_start)s::timestamptz
            AND stored.timestamp < %(range_end)s::timestamptz
            AND stored.timestamp >= shared.starts_at
            AND stored.timestamp < shared.ends_at
        -- keeps this to the pairs in question: read as a join, every candle would be visited
        OFFSET 0 -- noqa: AM09
    ) AS candle
UNION
SELECT
    successions.successor,
    same.timeframe,
    same.timestamp,
    'is the same candle as that of ' || successions.symbol AS detail
FROM successions
CROSS JOIN
    LATERAL (
        -- both series read once and grouped: a join of the two took 40 s where the planner had no statistics of a fresh load
        SELECT
            stored.timeframe,
            stored.timestamp
        FROM market_data AS stored
        WHERE
            stored.symbol = any(ARRAY[successions.symbol, successions.successor])
            AND stored.volume > 0
            AND stored.timeframe = any(%(each_timeframe)s::text[])
            AND stored.timestamp >= %(range_start)s::timestamptz
            AND stored.timestamp < %(range_end)s::timestamptz
        GROUP BY
            stored.timeframe, stored.timestamp, stored.open, stored.high, stored.low, stored.close, stored.volume
        HAVING count(*) > 1
    ) AS same
ORDER BY symbol, timeframe, timestamp
