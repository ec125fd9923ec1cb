-- Forgets what is kept of the days of candles that are gone: a dropped partition fires no trigger.
-- Binds: symbols, timeframe, starts, ends (entry i of symbols, starts and ends is one removed span). Table: candle_day.
-- A second run finds none.
DELETE FROM candle_day AS known
USING unnest(%(symbols)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS removed (symbol, starts_at, ends_at)
WHERE
    known.symbol = removed.symbol
    AND known.timeframe = %(timeframe)s::text
    AND known.day > removed.starts_at - interval '1 day'
    AND known.day < removed.ends_at;
