-- Replaces what one check found in [range_start, range_end): new findings are added, known ones kept with their first_seen, others
-- deleted.
-- Binds: check_name, severity, symbols, timeframes (text[]; entry i of both names a series of the scope), range_start, range_end, clock,
-- found_symbols, found_timeframes (text[]), found_timestamps (timestamptz[]), found_details (text[]).
-- Table: data_anomaly. A second run changes nothing.
WITH found AS (
    SELECT
        symbol,
        timeframe,
        timestamp,
        detail
    FROM
        unnest(
            %(found_symbols)s::text[],
            %(found_timeframes)s::text[],
            %(found_timestamps)s::timestamptz[],
            %(found_details)s::text[]
        ) AS finding (symbol, timeframe, timestamp, detail)
),

gone AS (
    DELETE FROM data_anomaly AS anomaly
    WHERE
        anomaly.check_name = %(check_name)s::text
        AND EXISTS (
            SELECT FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
            WHERE series.symbol = anomaly.symbol AND series.timeframe = anomaly.timeframe
        )
        AND anomaly.timestamp >= %(range_start)s::timestamptz
        AND anomaly.timestamp < %(range_end)s::timestamptz
        AND NOT EXISTS (
            SELECT FROM found
            WHERE
                found.symbol = anomaly.symbol
                AND found.timeframe = anomaly.timeframe
                AND found.timestamp = anomaly.timestamp
        )
)

INSERT INTO data_anomaly (check_name, symbol, timeframe, timestamp, severity, detail, first_seen, last_checked)
SELECT
    %(check_name)s::text,
    found.symbol,
    found.timeframe,
    found.timestamp,
    %(severity)s::text,
    found.detail,
    %(clock)s::timestamptz,
    %(clock)s::timestamptz
FROM found
ORDER BY found.symbol, found.timeframe, found.timestamp
ON CONFLICT (check_name, symbol, timeframe, timestamp) DO UPDATE SET
    severity = excluded.severity,
    detail = excluded.detail,
    last_checked = excluded.last_checked
