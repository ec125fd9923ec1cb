-- Takes candles of one series in binary form. Table: staged_candle. A second run in one transaction stages them twice.
COPY staged_candle (
    timestamp, open, high, low, close, volume, quote_volume, trades, taker_buy_volume, taker_buy_quote_volume
) FROM STDIN WITH (FORMAT BINARY);
