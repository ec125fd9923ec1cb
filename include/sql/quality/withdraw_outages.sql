-- Removes outages that a stored candle contradicts.
-- Binds: each_timeframe (text[], each once), range_start, range_end. Tables: exchange_outage (written), market_data, historical_data_range.
-- A second run changes nothing.
DELETE FROM exchange_outage AS outage
WHERE
    outage.timeframe = any(%(each_timeframe)s::text[])
    AND outage.starts_at < %(range_end)s::timestamptz
    AND outage.ends_at > %(range_start)s::timestamptz
    AND EXISTS (
        SELECT
        FROM historical_data_range AS stored
        CROSS JOIN
            LATERAL (
                SELECT
                FROM market_data AS candle
                WHERE
                    candle.symbol = stored.symbol
                    AND candle.timeframe = outage.timeframe
                    AND candle.timeframe = any(%(each_timeframe)s::text[])
                    AND candle.timestamp >= outage.starts_at
                    AND candle.timestamp < outage.ends_at
                -- any candle will do
                LIMIT 1 -- noqa: AM09
            ) AS candle_inside
        WHERE
            stored.timeframe = outage.timeframe
            AND stored.earliest_date < outage.ends_at
            AND stored.latest_date >= outage.starts_at
    )
RETURNING timeframe, starts_at, ends_at
