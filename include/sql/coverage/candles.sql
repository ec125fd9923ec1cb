-- Stored candles of a series in [starts, ends), drawn together in buckets of bucket_seconds that begin at `starts`, as JSON text of
-- arrays; null where nothing is stored. bucket_seconds is a multiple of the timeframe's length.
-- Binds: symbol, timeframe, starts, ends, bucket_seconds. Table: market_data. Reads only.
WITH drawn AS (
    SELECT
        date_bin(%(bucket_seconds)s::integer * interval '1 second', timestamp, %(starts)s::timestamptz) AS bucket,
        (array_agg(open ORDER BY timestamp))[1] AS open,
        max(high) AS high,
        min(low) AS low,
        (array_agg(close ORDER BY timestamp DESC))[1] AS close,
        sum(volume) AS volume
    FROM market_data
    WHERE
        symbol = %(symbol)s::text
        AND timeframe = %(timeframe)s::text
        AND timestamp >= %(starts)s::timestamptz
        AND timestamp < %(ends)s::timestamptz
    GROUP BY bucket
)

SELECT
    json_build_object(
        't', coalesce(json_agg(extract(EPOCH FROM each.bucket)::bigint ORDER BY each.bucket), '[]'),
        'open', coalesce(json_agg(drawn.open ORDER BY each.bucket), '[]'),
        'high', coalesce(json_agg(drawn.high ORDER BY each.bucket), '[]'),
        'low', coalesce(json_agg(drawn.low ORDER BY each.bucket), '[]'),
        'close', coalesce(json_agg(drawn.close ORDER BY each.bucket), '[]'),
        'volume', coalesce(json_agg(drawn.volume ORDER BY each.bucket), '[]')
    )::text AS answer
FROM
    generate_series(
        %(starts)s::timestamptz,
        %(ends)s::timestamptz - interval '1 microsecond',
        %(bucket_seconds)s::integer * interval '1 second'
    ) AS each (bucket)
LEFT JOIN drawn ON each.bucket = drawn.bucket;
