-- The partitions of a timeframe that begin before a cutoff, in order of time, and the bytes each takes with its key.
-- Binds: timeframe, cutoff. Tables: the catalog. Reads only.
WITH partition AS (
    SELECT
        child.oid,
        regexp_match(pg_get_expr(child.relpartbound, child.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS bounds
    FROM pg_inherits AS link
    INNER JOIN pg_class AS child ON link.inhrelid = child.oid
    WHERE link.inhparent = to_regclass(quote_ident('market_data_' || %(timeframe)s::text))
)

SELECT
    partition.bounds[1]::timestamptz AS starts_at,
    partition.bounds[2]::timestamptz AS ends_at,
    pg_total_relation_size(partition.oid) AS bytes
FROM partition
WHERE partition.bounds[1]::timestamptz < %(cutoff)s::timestamptz
ORDER BY 1;
