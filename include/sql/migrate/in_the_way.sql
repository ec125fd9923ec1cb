-- Names the sessions that hold a lock on anything of schema public, which a migration may have waited for: process, role
-- and application. Binds: none. Reads only: a second run is safe.
SELECT
    activity.pid,
    coalesce(activity.usename::text, 'the server') AS role,
    coalesce(nullif(activity.application_name, ''), 'without a name') AS application
FROM pg_stat_activity AS activity
WHERE
    activity.pid <> pg_backend_pid()
    AND EXISTS (
        SELECT
        FROM pg_locks AS held
        INNER JOIN pg_class AS thing ON held.relation = thing.oid
        WHERE
            held.pid = activity.pid
            AND held.granted
            AND held.database = activity.datid
            AND activity.datname = current_database()
            AND thing.relnamespace = 'public'::regnamespace
    )
ORDER BY activity.pid;
