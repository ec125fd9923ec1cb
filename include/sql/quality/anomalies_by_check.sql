-- What the checks found in some series, one row a check, the failing ones first.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), range_start, range_end. Table: data_anomaly. Reads only.
SELECT
    anomaly.check_name,
    anomaly.severity,
    count(*) AS findings,
    count(DISTINCT anomaly.symbol || ' ' || anomaly.timeframe) AS series,
    (array_agg(anomaly.symbol ORDER BY anomaly.timestamp, anomaly.symbol))[1] AS symbol,
    (array_agg(anomaly.timeframe ORDER BY anomaly.timestamp, anomaly.symbol))[1] AS timeframe,
    min(anomaly.timestamp) AS first_at
FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS wanted (symbol, timeframe)
INNER JOIN data_anomaly AS anomaly ON wanted.symbol = anomaly.symbol AND wanted.timeframe = anomaly.timeframe
WHERE
    anomaly.timestamp >= %(range_start)s::timestamptz
    AND anomaly.timestamp < %(range_end)s::timestamptz
GROUP BY anomaly.severity, anomaly.check_name
ORDER BY anomaly.severity, anomaly.check_name;
