-- Lists what schema public of a database without any migration holds already, extensions aside; nothing of a database with
-- migrations. Binds: none. Reads only: a second run is safe.
WITH things AS (
    SELECT
        'pg_class'::regclass AS catalog,
        oid AS thing,
        relname::text AS name
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relname <> 'schema_migration'
    UNION ALL
    SELECT
        'pg_proc'::regclass AS catalog,
        oid AS thing,
        proname || '()' AS name
    FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
)

SELECT things.name
FROM things
WHERE
    NOT EXISTS (SELECT FROM schema_migration)
    AND NOT EXISTS (
        SELECT
        FROM pg_depend AS membership
        WHERE membership.classid = things.catalog AND membership.objid = things.thing AND membership.deptype = 'e'
    )
ORDER BY things.name;
