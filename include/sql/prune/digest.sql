-- Number and SHA-256 of the stored candles of a series in [range_start, range_end), and whether a pin keeps any of that span.
-- Binds: symbol, timeframe, range_start, range_end. Functions: candle_digest, pinned_span. Reads only.
SELECT
    made.candles,
    made.digest,
    pinned_span(%(symbol)s::text, %(timeframe)s::text)
    && tstzrange(%(range_start)s::timestamptz, %(range_end)s::timestamptz) AS is_pinned
FROM candle_digest(
    %(symbol)s::text, %(timeframe)s::text, %(range_start)s::timestamptz, %(range_end)s::timestamptz
) AS made;
