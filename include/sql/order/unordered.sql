-- The partitions of 1h and longer that ended ten days before clock or earlier and whose candles do not lie in the order of their
-- symbols, as the statistics of the last ANALYZE say. Below 1h, a day of a series fills pages of its own, and order gains nothing.
-- Binds: clock. Tables: the catalog. Reads only.
WITH partition AS (
    SELECT
        wanted.timeframe,
        child.relname,
        regexp_match(pg_get_expr(child.relpartbound, child.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS bounds
    FROM (VALUES ('1h'), ('4h'), ('1d')) AS wanted (timeframe)
    INNER JOIN pg_inherits AS link ON link.inhparent = to_regclass(quote_ident('market_data_' || wanted.timeframe))
    INNER JOIN pg_class AS child ON link.inhrelid = child.oid
)

SELECT
    partition.timeframe,
    partition.bounds[1]::timestamptz AS starts_at
FROM partition
INNER JOIN pg_stats AS known
    ON
        known.schemaname = 'public'
        AND partition.relname = known.tablename
        AND known.attname = 'symbol'
WHERE
    partition.bounds[2]::timestamptz <= %(clock)s::timestamptz - interval '10 days'
    AND known.correlation < 0.9
ORDER BY 1, 2;
