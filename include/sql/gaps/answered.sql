-- Whether a run has asked for exactly this window with success since `since`: a lane that is tried again goes on behind it.
-- Binds: dag_id, run_id, symbol, timeframe, window_start, window_end, since. Table: data_sync_log. Reads only.
SELECT exists(
    SELECT FROM data_sync_log
    WHERE
        dag_id = %(dag_id)s::text
        AND run_id = %(run_id)s::text
        AND symbol = %(symbol)s::text
        AND timeframe = %(timeframe)s::text
        AND window_start = %(window_start)s::timestamptz
        AND window_end = %(window_end)s::timestamptz
        AND status = 'success'
        AND finished_at >= %(since)s::timestamptz
) AS is_answered;
