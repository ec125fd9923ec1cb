-- Brings is_complete of every series to what its gaps now say.
-- Binds: none. Tables: historical_data_range (written), data_gap. A second run changes nothing.
WITH unexplained AS (
    SELECT DISTINCT
        symbol,
        timeframe
    FROM data_gap
    WHERE resolved_at IS NULL AND cause IN ('open', 'not_published')
),

judged AS (
    SELECT
        reach.symbol,
        reach.timeframe,
        unexplained.symbol IS NULL AS is_complete
    FROM historical_data_range AS reach
    LEFT JOIN unexplained ON reach.symbol = unexplained.symbol AND reach.timeframe = unexplained.timeframe
)

UPDATE historical_data_range AS reach SET is_complete = judged.is_complete
FROM judged
WHERE
    reach.symbol = judged.symbol
    AND reach.timeframe = judged.timeframe
    AND reach.is_complete <> judged.is_complete
