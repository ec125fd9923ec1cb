-- The candles of a symbol in a partition that was taken out, as candle_digest() hashes them: 80 bytes a candle, in order of time.
-- Binds: partition, symbol. Function: taken_out_packed. Reads only.
SELECT taken_out_packed(%(partition)s::text, %(symbol)s::text);
