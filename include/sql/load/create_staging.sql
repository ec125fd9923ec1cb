-- Makes the session's staging table. It is emptied at the end of every transaction and gone with the session, so neither a
-- failed lane nor a crash leaves anything behind. A second run is safe.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_candle (
    timestamp timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    quote_volume double precision NOT NULL,
    trades bigint NOT NULL,
    taker_buy_volume double precision NOT NULL,
    taker_buy_quote_volume double precision NOT NULL
) ON COMMIT DELETE ROWS;
