-- Keeps the digests of whole months whose candles this very transaction has stored, all of them: nobody need read them again for it.
-- Binds: symbol, timeframe, months (date[], first days), candles (bigint[]), digests (bytea[]); entry i of the three is a month.
-- Table: series_fingerprint (written). A second run changes only computed_at.
INSERT INTO series_fingerprint (symbol, timeframe, month, candles, digest, computed_at)
SELECT
    %(symbol)s::text,
    %(timeframe)s::text,
    made.month,
    made.candles,
    made.digest,
    clock_timestamp()
FROM unnest(%(months)s::date[], %(candles)s::bigint[], %(digests)s::bytea[]) AS made (month, candles, digest)
ORDER BY made.month
ON CONFLICT (symbol, timeframe, month) DO UPDATE SET
    candles = excluded.candles,
    digest = excluded.digest,
    computed_at = excluded.computed_at;
