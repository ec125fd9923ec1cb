-- The partitions of a timeframe (and year, or null: of all years) that were taken out of market_data and not dropped yet: their names,
-- and the windows they cover. Binds: timeframe, year. Tables: the catalog. Reads only.
WITH taken AS (
    SELECT
        table_of.relname::text AS name,
        regexp_match(table_of.relname, '_([0-9]{4})(?:_([0-9]{2}))?$') AS period
    FROM pg_class AS table_of
    WHERE
        table_of.relkind = 'r'
        AND table_of.relnamespace = 'public'::regnamespace
        AND starts_with(table_of.relname, 'pruned_market_data_' || %(timeframe)s::text || '_')
)

SELECT
    name,
    make_timestamptz(period[1]::integer, coalesce(period[2], '1')::integer, 1, 0, 0, 0, 'UTC') AS starts_at,
    CASE
        WHEN period[2] IS NULL THEN make_timestamptz(period[1]::integer + 1, 1, 1, 0, 0, 0, 'UTC')
        ELSE make_timestamptz(period[1]::integer, period[2]::integer, 1, 0, 0, 0, 'UTC') + interval '1 month'
    END AS ends_at
FROM taken
WHERE %(year)s::integer IS NULL OR period[1]::integer = %(year)s::integer
ORDER BY name;
