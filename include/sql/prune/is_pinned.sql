-- Whether a pin keeps any candle of the spans that a prune is about to take, of datasets made of this timeframe too.
-- Binds: timeframe, symbols, starts, ends (entry i of the three is one span). Functions: pinned_span. Reads only.
SELECT coalesce(bool_or(pinned_span(symbol, %(timeframe)s::text) && tstzrange(starts_at, ends_at)), FALSE) AS is_pinned
FROM unnest(%(symbols)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS spans (symbol, starts_at, ends_at);
