-- What a load of [window_start, window_end) still has to fetch for one series: the window without the stored candles and
-- without the holes that no load can fill. Spans on the grid, in order.
-- Binds: symbol, timeframe, window_start, window_end. Tables: market_data, data_gap. A second run is safe.
SELECT
    lower(missing) AS starts_at,
    upper(missing) AS ends_at
FROM
    unnest(
        tstzmultirange(tstzrange(%(window_start)s::timestamptz, %(window_end)s::timestamptz))
        - coalesce(
            (
                SELECT range_agg(tstzrange(stored.timestamp, stored.timestamp + timeframe_step(%(timeframe)s::text)))
                FROM market_data AS stored
                WHERE
                    stored.symbol = %(symbol)s::text AND stored.timeframe = %(timeframe)s::text
                    AND stored.timestamp >= %(window_start)s::timestamptz
                    AND stored.timestamp < %(window_end)s::timestamptz
            ),
            '{}'::tstzmultirange
        )
        - coalesce(
            (
                SELECT range_agg(tstzrange(gap.gap_start, gap.gap_end))
                FROM data_gap AS gap
                WHERE
                    gap.symbol = %(symbol)s::text AND gap.timeframe = %(timeframe)s::text
                    AND gap.resolved_at IS NULL
                    AND gap.cause IN ('exchange_outage', 'suspension', 'pruned')
            ),
            '{}'::tstzmultirange
        )
    ) AS missing
ORDER BY 1;
