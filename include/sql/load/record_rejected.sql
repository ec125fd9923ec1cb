-- Keeps the candles that were refused, each once for a reason. `candles` is a JSON list of {timestamp, source, reason, candle}.
-- Binds: candles, symbol, timeframe, run_id, clock. Table: rejected_candle. A second run is safe.
INSERT INTO rejected_candle (symbol, timeframe, timestamp, source, reason, candle, run_id, rejected_at)
SELECT
    %(symbol)s::text,
    %(timeframe)s::text,
    refused.timestamp,
    refused.source,
    refused.reason,
    refused.candle,
    %(run_id)s::text,
    %(clock)s::timestamptz
FROM jsonb_to_recordset(%(candles)s::jsonb) AS refused (timestamp timestamptz, source text, reason text, candle jsonb)
ON CONFLICT ON CONSTRAINT a_candle_is_rejected_once_for_a_reason DO NOTHING;
