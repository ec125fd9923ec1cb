-- Keeps in candle_day the days that are not there yet, from the start of the month of range_start to range_start: those whose candles
-- were changed since they were kept, and those that no measurement has read.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), range_start.
-- Tables: candle_day (written), market_data, historical_data_range. A second run changes nothing.
WITH span AS (
    SELECT
        date_trunc('month', %(range_start)s::timestamptz, 'UTC') AS first_day,
        date_bin('1 day', %(range_start)s::timestamptz, '1970-01-01 00:00+00') AS last_day
),

reach AS (
    SELECT
        stored.symbol,
        stored.timeframe,
        greatest(span.first_day, date_bin('1 day', stored.earliest_date, '1970-01-01 00:00+00')) AS first_day,
        least(span.last_day, date_bin('1 day', stored.latest_date, '1970-01-01 00:00+00') + interval '1 day') AS last_day
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
    INNER JOIN historical_data_range AS stored ON series.symbol = stored.symbol AND series.timeframe = stored.timeframe
    CROSS JOIN span
    WHERE series.timeframe <> '1d' AND span.first_day < span.last_day
),

-- series that lack a day: counted first, as a rule there is none
short AS MATERIALIZED (
    SELECT
        reach.symbol,
        reach.timeframe,
        reach.first_day,
        reach.last_day
    FROM reach
    CROSS JOIN
        LATERAL (
            SELECT count(*) AS days
            FROM candle_day AS known
            WHERE
                known.symbol = reach.symbol
                AND known.timeframe = reach.timeframe
                AND known.day >= reach.first_day
                AND known.day < reach.last_day
        ) AS kept
    WHERE kept.days * interval '1 day' < reach.last_day - reach.first_day
),

absent AS (
    SELECT
        short.symbol,
        short.timeframe,
        unnest(
            tstzmultirange(tstzrange(short.first_day, short.last_day))
            - coalesce(range_agg(tstzrange(known.day, known.day + interval '1 day')), '{}')
        ) AS days
    FROM short
    LEFT JOIN candle_day AS known
        ON
            short.symbol = known.symbol
            AND short.timeframe = known.timeframe
            AND short.first_day <= known.day
            AND short.last_day > known.day
    GROUP BY short.symbol, short.timeframe, short.first_day, short.last_day
),

together AS (
    SELECT
        timeframe,
        days,
        array_agg(symbol) AS symbols
    FROM absent
    GROUP BY timeframe, days
)

INSERT INTO candle_day (
    symbol, timeframe, day, candles, open, high, low, close, highest_close, lowest_close, volume, trades, standing
)
SELECT
    found.symbol,
    found.timeframe,
    found.day,
    found.candles,
    found.open,
    found.high,
    found.low,
    found.close,
    found.highest_close,
    found.lowest_close,
    found.volume,
    found.trades,
    found.standing
FROM together
CROSS JOIN LATERAL candle_days(together.symbols, ARRAY[together.timeframe], lower(together.days), upper(together.days)) AS found
WHERE found.symbol = any(together.symbols)
ON CONFLICT (symbol, timeframe, day) DO NOTHING
