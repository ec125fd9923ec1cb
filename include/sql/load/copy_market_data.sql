-- Takes candles in binary form straight into market_data, where load/window_is_empty has found nothing to conflict with.
-- Table: market_data, or in its place the partition that load/partition_to_fill names. A second run fails on the primary key and stores nothing.
COPY market_data (
    symbol, timeframe, timestamp, open, high, low, close, volume, quote_volume, trades, taker_buy_volume, taker_buy_quote_volume
) FROM STDIN WITH (FORMAT BINARY);
