-- One stored series: how far it reaches, what was expected of all its measured months, and its listing's latest row. No row: unknown.
-- Binds: symbol, timeframe. Tables: historical_data_range, data_quality, symbol_listing. Reads only, counts no candle.
SELECT
    stored.symbol,
    stored.timeframe,
    listing.exchange_symbol,
    listing.tier,
    stored.earliest_date AS first,
    stored.latest_date AS last,
    stored.total_records AS candles,
    stored.last_synced AS last_sync,
    extract(EPOCH FROM timeframe_step(stored.timeframe))::integer AS step_seconds,
    months.expected,
    months.present,
    months.unfillable,
    months.measured_at
FROM historical_data_range AS stored
LEFT JOIN LATERAL (
    SELECT
        known.exchange_symbol,
        known.tier
    FROM symbol_listing AS known
    WHERE known.symbol = stored.symbol
    ORDER BY known.listing_number DESC
    LIMIT 1
) AS listing ON TRUE
CROSS JOIN
    LATERAL (
        SELECT
            sum(quality.expected_records)::bigint AS expected,
            sum(quality.actual_records)::bigint AS present,
            sum(quality.unfillable_records)::bigint AS unfillable,
            max(quality.checked_at) AS measured_at
        FROM data_quality AS quality
        WHERE quality.symbol = stored.symbol AND quality.timeframe = stored.timeframe AND quality.period = 'month'
    ) AS months
WHERE stored.symbol = %(symbol)s::text AND stored.timeframe = %(timeframe)s::text;
