-- severity: fail
-- Candles that two listings claim: listings of one ticker that overlap, or the same traded candle under a pair and under
-- its successor.
-- Binds: symbols, timeframes (text[]), range_start, range_end. Tables: market_data, symbol_listing. Reads only.
-- Rows: symbol, timeframe, timestamp, detail.
SELECT
    candle.symbol,
    candle.timeframe,
    candle.timestamp,
    'lies in listings ' || one.listing_number || ' and ' || other.listing_number || ' of ' || candle.symbol AS detail
FROM symbol_listing AS one
INNER JOIN symbol_listing AS other
    ON
        one.symbol = other.symbol
        AND one.listing_number < other.listing_number
        AND other.listed_at < coalesce(one.delisted_at, 'infinity')
        AND one.listed_at < coalesce(other.delisted_at, 'infinity')
INNER JOIN market_data AS candle
    ON
        one.symbol = candle.symbol
        AND candle.timestamp >= greatest(one.listed_at, other.listed_at)
        AND candle.timestamp < least(one.delisted_at, other.delisted_at, 'infinity')
WHERE
    candle.symbol = any(%(symbols)s::text[])
    AND candle.timeframe = any(%(timeframes)s::text[])
    AND candle.timestamp >= %(range_start)s::timestamptz
    AND candle.timestamp < %(range_end)s::timestamptz
UNION
SELECT
    candle.symbol,
    candle.timeframe,
    candle.timestamp,
    'is the same candle as that of ' || twin.symbol AS detail
FROM symbol_listing AS listing
INNER JOIN market_data AS twin
    ON listing.symbol = twin.symbol
INNER JOIN market_data AS candle
    ON
        listing.successor = candle.symbol
        AND twin.timeframe = candle.timeframe
        AND twin.timestamp = candle.timestamp
        AND twin.open = candle.open
        AND twin.high = candle.high
        AND twin.low = candle.low
        AND twin.close = candle.close
        AND twin.volume = candle.volume
WHERE
    candle.volume > 0
    AND (candle.symbol = any(%(symbols)s::text[]) OR twin.symbol = any(%(symbols)s::text[]))
    AND candle.timeframe = any(%(timeframes)s::text[])
    AND candle.timestamp >= %(range_start)s::timestamptz
    AND candle.timestamp < %(range_end)s::timestamptz
    AND twin.timeframe = any(%(timeframes)s::text[])
    AND twin.timestamp >= %(range_start)s::timestamptz
    AND twin.timestamp < %(range_end)s::timestamptz
ORDER BY 1, 2, 3
