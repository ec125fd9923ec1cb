-- Raises 40001 where a partition of some timeframes was replaced or taken out after the snapshot of this transaction.
-- Binds: timeframes. Reads only. Function: refuse_rewritten.
SELECT refuse_rewritten(wanted.timeframe) FROM unnest(%(timeframes)s::text[]) AS wanted (timeframe);
