-- Makes the kept digests of the months that a window has changed void. Function: touch_fingerprints.
-- Binds: symbol, timeframe, window_start, window_end. A second run is safe.
SELECT touch_fingerprints(
    %(symbol)s::text, %(timeframe)s::text, %(window_start)s::timestamptz, %(window_end)s::timestamptz
);
