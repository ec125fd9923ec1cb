-- What a partition that was taken out holds: number, first and last open time and digest by symbol and month.
-- Binds: partition. Function: taken_out_candles. Reads only.
SELECT
    symbol,
    month,
    candles,
    first_open,
    last_open,
    digest
FROM taken_out_candles(%(partition)s::text);
