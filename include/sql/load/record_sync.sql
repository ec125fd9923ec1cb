-- Leaves the record of one window of a load. Table: data_sync_log.
-- Binds: the columns of the table, without id and recorded_at. A second run leaves a second record.
INSERT INTO data_sync_log (
    dag_id, run_id, lane, symbol, timeframe, window_start, window_end, source, status,
    requests, retries, rate_limited, errors,
    rows_fetched, rows_inserted, rows_revised, rows_unchanged, rows_rejected, step_downs, error, started_at, finished_at
)
VALUES (
    %(dag_id)s::text, %(run_id)s::text, %(lane)s::text, %(symbol)s::text, %(timeframe)s::text,
    %(window_start)s::timestamptz, %(window_end)s::timestamptz, %(source)s::text, %(status)s::text,
    %(requests)s::integer, %(retries)s::integer, %(rate_limited)s::integer, %(errors)s::integer,
    %(rows_fetched)s::bigint, %(rows_inserted)s::bigint, %(rows_revised)s::bigint,
    %(rows_unchanged)s::bigint, %(rows_rejected)s::bigint, %(step_downs)s::jsonb, %(error)s::text,
    %(started_at)s::timestamptz, %(finished_at)s::timestamptz
);
