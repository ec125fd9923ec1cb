-- The values that revised candles had at an instant: the old ones of the first revision after it. The instant is one of the exchange's
-- clock, or with by_recording of the database's, as a pin's is.
-- Binds: symbol, timeframe, starts, ends, as_of, by_recording. Reads market_data_revision. Safe to run again.
SELECT DISTINCT ON (revision.timestamp)
    revision.timestamp,
    revision.old_open,
    revision.old_high,
    revision.old_low,
    revision.old_close,
    revision.old_volume,
    revision.old_quote_volume,
    revision.old_trades,
    revision.old_taker_buy_volume,
    revision.old_taker_buy_quote_volume
FROM market_data_revision AS revision
WHERE
    revision.symbol = %(symbol)s::text
    AND revision.timeframe = %(timeframe)s::text
    AND revision.timestamp >= %(starts)s::timestamptz
    AND revision.timestamp < %(ends)s::timestamptz
    AND CASE WHEN %(by_recording)s::boolean THEN revision.recorded_at ELSE revision.revised_at END > %(as_of)s::timestamptz
ORDER BY revision.timestamp, revision.recorded_at;
