-- Brings the staged candles of one series into market_data: new ones are inserted, changed ones are updated and remembered in
-- market_data_revision, unchanged ones are left alone. Returns the four counts; the caller holds `staged` against what it sent.
-- Binds: symbol, timeframe, window_start, window_end, source, clock. Tables: staged_candle, market_data, market_data_revision.
-- A second run changes nothing.
WITH stored AS (
    SELECT *
    FROM market_data
    WHERE
        symbol = %(symbol)s::text AND timeframe = %(timeframe)s::text
        AND timestamp >= %(window_start)s::timestamptz AND timestamp < %(window_end)s::timestamptz
),

revised AS (
    INSERT INTO market_data_revision (
        symbol, timeframe, timestamp,
        old_open, old_high, old_low, old_close, old_volume,
        old_quote_volume, old_trades, old_taker_buy_volume, old_taker_buy_quote_volume,
        new_open, new_high, new_low, new_close, new_volume,
        new_quote_volume, new_trades, new_taker_buy_volume, new_taker_buy_quote_volume,
        source, revised_at
    )
    SELECT
        stored.symbol,
        stored.timeframe,
        stored.timestamp,
        stored.open,
        stored.high,
        stored.low,
        stored.close,
        stored.volume,
        stored.quote_volume,
        stored.trades,
        stored.taker_buy_volume,
        stored.taker_buy_quote_volume,
        staged.open,
        staged.high,
        staged.low,
        staged.close,
        staged.volume,
        staged.quote_volume,
        staged.trades,
        staged.taker_buy_volume,
        staged.taker_buy_quote_volume,
        %(source)s::text,
        %(clock)s::timestamptz
    FROM stored
    INNER JOIN staged_candle AS staged ON stored.timestamp = staged.timestamp
    WHERE
        (
            stored.open, stored.high, stored.low, stored.close, stored.volume,
            stored.quote_volume, stored.trades, stored.taker_buy_volume, stored.taker_buy_quote_volume
        ) IS DISTINCT FROM (
            staged.open, staged.high, staged.low, staged.close, staged.volume,
            staged.quote_volume, staged.trades, staged.taker_buy_volume, staged.taker_buy_quote_volume
        )
    RETURNING timestamp
),

written AS (
    INSERT INTO market_data AS target (
        symbol, timeframe, timestamp, open, high, low, close, volume,
        quote_volume, trades, taker_buy_volume, taker_buy_quote_volume
    )
    SELECT
        %(symbol)s::text,
        %(timeframe)s::text,
        staged.timestamp,
        staged.open,
        staged.high,
        staged.low,
        staged.close,
        staged.volume,
        staged.quote_volume,
        staged.trades,
        staged.taker_buy_volume,
        staged.taker_buy_quote_volume
    FROM staged_candle AS staged
    ORDER BY staged.timestamp
    ON CONFLICT (symbol, timeframe, timestamp) DO UPDATE
        SET
            open = excluded.open,
            high = excluded.high,
            low = excluded.low,
            close = excluded.close,
            volume = excluded.volume,
            quote_volume = excluded.quote_volume,
            trades = excluded.trades,
            taker_buy_volume = excluded.taker_buy_volume,
            taker_buy_quote_volume = excluded.taker_buy_quote_volume
        WHERE
        (
            target.open, target.high, target.low, target.close, target.volume,
            target.quote_volume, target.trades, target.taker_buy_volume, target.taker_buy_quote_volume
        ) IS DISTINCT FROM (
            excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume,
            excluded.quote_volume, excluded.trades, excluded.taker_buy_volume, excluded.taker_buy_quote_volume
        )
    RETURNING target.timestamp
),

counted AS (
    SELECT
        (SELECT count(*) FROM staged_candle) AS staged,
        (SELECT count(*) FROM written) AS written,
        (SELECT count(*) FROM revised) AS revised
)

SELECT
    staged,
    written - revised AS inserted,
    revised,
    staged - written AS unchanged
FROM counted;
