-- What backtesters see without calling a function, and what they may do.
-- What an operator notices: views ohlcv_1h, ohlcv_1d, symbols, coverage_30d, coverage_90d, coverage_365d; only named roles may make
-- temporary tables; backtester's statements end after a minute where this role may set that, else a warning says how.

CREATE VIEW ohlcv_1h AS
SELECT
    candle.symbol,
    candle.timestamp,
    candle.open,
    candle.high,
    candle.low,
    candle.close,
    candle.volume,
    candle.quote_volume,
    candle.trades,
    candle.taker_buy_volume,
    candle.taker_buy_quote_volume
FROM market_data AS candle
WHERE candle.timeframe = '1h';

COMMENT ON VIEW ohlcv_1h IS 'The stored candles of one hour, as they are: what is missing is not shown. ohlcv() gives a continuous range, or says why not.';
COMMENT ON COLUMN ohlcv_1h.symbol IS 'Base asset.';
COMMENT ON COLUMN ohlcv_1h.timestamp IS 'Open time.';
COMMENT ON COLUMN ohlcv_1h.open IS 'First price, in quote asset.';
COMMENT ON COLUMN ohlcv_1h.high IS 'Highest price.';
COMMENT ON COLUMN ohlcv_1h.low IS 'Lowest price.';
COMMENT ON COLUMN ohlcv_1h.close IS 'Last price.';
COMMENT ON COLUMN ohlcv_1h.volume IS 'Traded amount in base asset.';
COMMENT ON COLUMN ohlcv_1h.quote_volume IS 'Traded amount in quote asset.';
COMMENT ON COLUMN ohlcv_1h.trades IS 'Number of trades.';
COMMENT ON COLUMN ohlcv_1h.taker_buy_volume IS 'Base asset bought by takers.';
COMMENT ON COLUMN ohlcv_1h.taker_buy_quote_volume IS 'Quote asset spent by buying takers.';

CREATE VIEW ohlcv_1d AS
SELECT
    candle.symbol,
    candle.timestamp,
    candle.open,
    candle.high,
    candle.low,
    candle.close,
    candle.volume,
    candle.quote_volume,
    candle.trades,
    candle.taker_buy_volume,
    candle.taker_buy_quote_volume
FROM market_data AS candle
WHERE candle.timeframe = '1d';

COMMENT ON VIEW ohlcv_1d IS 'The stored candles of one day, as they are: what is missing is not shown. ohlcv() gives a continuous range, or says why not.';
COMMENT ON COLUMN ohlcv_1d.symbol IS 'Base asset.';
COMMENT ON COLUMN ohlcv_1d.timestamp IS 'Open time.';
COMMENT ON COLUMN ohlcv_1d.open IS 'First price, in quote asset.';
COMMENT ON COLUMN ohlcv_1d.high IS 'Highest price.';
COMMENT ON COLUMN ohlcv_1d.low IS 'Lowest price.';
COMMENT ON COLUMN ohlcv_1d.close IS 'Last price.';
COMMENT ON COLUMN ohlcv_1d.volume IS 'Traded amount in base asset.';
COMMENT ON COLUMN ohlcv_1d.quote_volume IS 'Traded amount in quote asset.';
COMMENT ON COLUMN ohlcv_1d.trades IS 'Number of trades.';
COMMENT ON COLUMN ohlcv_1d.taker_buy_volume IS 'Base asset bought by takers.';
COMMENT ON COLUMN ohlcv_1d.taker_buy_quote_volume IS 'Quote asset spent by buying takers.';

CREATE VIEW symbols AS
SELECT
    listing.symbol,
    listing.listing_number,
    listing.base_asset AS asset,
    listing.exchange_symbol,
    listing.tier,
    listing.status,
    listing.listed_at,
    listing.delisted_at,
    listing.successor,
    listing.successor_ratio,
    stored.timeframe,
    stored.earliest_date,
    stored.latest_date,
    stored.total_records,
    stored.is_complete,
    stored.last_synced
FROM symbol_listing AS listing
LEFT JOIN historical_data_range AS stored ON listing.symbol = stored.symbol;

COMMENT ON VIEW symbols IS 'Every asset that is known, with its listing, and a row for each timeframe that is stored under its symbol.';
COMMENT ON COLUMN symbols.symbol IS 'Base asset.';
COMMENT ON COLUMN symbols.listing_number IS '1 for the first asset under this ticker, 2 for the next one.';
COMMENT ON COLUMN symbols.asset IS 'What is traded.';
COMMENT ON COLUMN symbols.exchange_symbol IS 'Name at the exchange, as in BTCUSDT.';
COMMENT ON COLUMN symbols.tier IS 'core, extended or excluded.';
COMMENT ON COLUMN symbols.status IS 'Status at the exchange at the last sync.';
COMMENT ON COLUMN symbols.listed_at IS 'Open time of the first candle; null until it is discovered.';
COMMENT ON COLUMN symbols.delisted_at IS 'End of the last candle; null while it trades.';
COMMENT ON COLUMN symbols.successor IS 'Symbol that replaced this asset.';
COMMENT ON COLUMN symbols.successor_ratio IS 'Units of the successor for one unit of this asset.';
COMMENT ON COLUMN symbols.timeframe IS 'Candle length that is stored; null where nothing is.';
COMMENT ON COLUMN symbols.earliest_date IS 'Open time of the first stored candle.';
COMMENT ON COLUMN symbols.latest_date IS 'Open time of the last stored candle.';
COMMENT ON COLUMN symbols.total_records IS 'Stored candles.';
COMMENT ON COLUMN symbols.is_complete IS 'True where no hole without an explanation is known.';
COMMENT ON COLUMN symbols.last_synced IS 'When the series was last loaded or found complete.';

CREATE VIEW coverage_30d AS
SELECT
    quality.symbol,
    quality.timeframe,
    quality.date_range_start AS range_start,
    quality.date_range_end AS range_end,
    quality.expected_records AS expected,
    quality.actual_records AS present,
    quality.missing_records AS missing,
    quality.unfillable_records AS unfillable,
    quality.completeness_percentage,
    quality.adjusted_completeness_percentage,
    quality.has_gaps,
    quality.has_anomalies,
    quality.checked_at
FROM data_quality AS quality
WHERE quality.period = '30d';

COMMENT ON VIEW coverage_30d IS 'Completeness of each series over the last 30 days, as last measured; coverage() counts any range anew.';
COMMENT ON COLUMN coverage_30d.symbol IS 'Base asset.';
COMMENT ON COLUMN coverage_30d.timeframe IS 'Candle length.';
COMMENT ON COLUMN coverage_30d.range_start IS 'Start of the range.';
COMMENT ON COLUMN coverage_30d.range_end IS 'End of the range (exclusive).';
COMMENT ON COLUMN coverage_30d.expected IS 'Candles that should exist.';
COMMENT ON COLUMN coverage_30d.present IS 'Candles stored.';
COMMENT ON COLUMN coverage_30d.missing IS 'expected - present.';
COMMENT ON COLUMN coverage_30d.unfillable IS 'Missing candles that no load can bring: outage, suspension, pruned.';
COMMENT ON COLUMN coverage_30d.completeness_percentage IS '100 * present / expected.';
COMMENT ON COLUMN coverage_30d.adjusted_completeness_percentage IS '100 * present / (expected - unfillable).';
COMMENT ON COLUMN coverage_30d.has_gaps IS 'True where a candle is missing without an explanation.';
COMMENT ON COLUMN coverage_30d.has_anomalies IS 'True where a candle is not plausible.';
COMMENT ON COLUMN coverage_30d.checked_at IS 'When this was measured.';

CREATE VIEW coverage_90d AS
SELECT
    quality.symbol,
    quality.timeframe,
    quality.date_range_start AS range_start,
    quality.date_range_end AS range_end,
    quality.expected_records AS expected,
    quality.actual_records AS present,
    quality.missing_records AS missing,
    quality.unfillable_records AS unfillable,
    quality.completeness_percentage,
    quality.adjusted_completeness_percentage,
    quality.has_gaps,
    quality.has_anomalies,
    quality.checked_at
FROM data_quality AS quality
WHERE quality.period = '90d';

COMMENT ON VIEW coverage_90d IS 'Completeness of each series over the last 90 days, as last measured; coverage() counts any range anew.';
COMMENT ON COLUMN coverage_90d.symbol IS 'Base asset.';
COMMENT ON COLUMN coverage_90d.timeframe IS 'Candle length.';
COMMENT ON COLUMN coverage_90d.range_start IS 'Start of the range.';
COMMENT ON COLUMN coverage_90d.range_end IS 'End of the range (exclusive).';
COMMENT ON COLUMN coverage_90d.expected IS 'Candles that should exist.';
COMMENT ON COLUMN coverage_90d.present IS 'Candles stored.';
COMMENT ON COLUMN coverage_90d.missing IS 'expected - present.';
COMMENT ON COLUMN coverage_90d.unfillable IS 'Missing candles that no load can bring: outage, suspension, pruned.';
COMMENT ON COLUMN coverage_90d.completeness_percentage IS '100 * present / expected.';
COMMENT ON COLUMN coverage_90d.adjusted_completeness_percentage IS '100 * present / (expected - unfillable).';
COMMENT ON COLUMN coverage_90d.has_gaps IS 'True where a candle is missing without an explanation.';
COMMENT ON COLUMN coverage_90d.has_anomalies IS 'True where a candle is not plausible.';
COMMENT ON COLUMN coverage_90d.checked_at IS 'When this was measured.';

CREATE VIEW coverage_365d AS
SELECT
    quality.symbol,
    quality.timeframe,
    quality.date_range_start AS range_start,
    quality.date_range_end AS range_end,
    quality.expected_records AS expected,
    quality.actual_records AS present,
    quality.missing_records AS missing,
    quality.unfillable_records AS unfillable,
    quality.completeness_percentage,
    quality.adjusted_completeness_percentage,
    quality.has_gaps,
    quality.has_anomalies,
    quality.checked_at
FROM data_quality AS quality
WHERE quality.period = '365d';

COMMENT ON VIEW coverage_365d IS 'Completeness of each series over the last 365 days, as last measured; coverage() counts any range anew.';
COMMENT ON COLUMN coverage_365d.symbol IS 'Base asset.';
COMMENT ON COLUMN coverage_365d.timeframe IS 'Candle length.';
COMMENT ON COLUMN coverage_365d.range_start IS 'Start of the range.';
COMMENT ON COLUMN coverage_365d.range_end IS 'End of the range (exclusive).';
COMMENT ON COLUMN coverage_365d.expected IS 'Candles that should exist.';
COMMENT ON COLUMN coverage_365d.present IS 'Candles stored.';
COMMENT ON COLUMN coverage_365d.missing IS 'expected - present.';
COMMENT ON COLUMN coverage_365d.unfillable IS 'Missing candles that no load can bring: outage, suspension, pruned.';
COMMENT ON COLUMN coverage_365d.completeness_percentage IS '100 * present / expected.';
COMMENT ON COLUMN coverage_365d.adjusted_completeness_percentage IS '100 * present / (expected - unfillable).';
COMMENT ON COLUMN coverage_365d.has_gaps IS 'True where a candle is missing without an explanation.';
COMMENT ON COLUMN coverage_365d.has_anomalies IS 'True where a candle is not plausible.';
COMMENT ON COLUMN coverage_365d.checked_at IS 'When this was measured.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT SELECT ON ohlcv_1h, ohlcv_1d, symbols, coverage_30d, coverage_90d, coverage_365d TO market_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'backtester') THEN
        GRANT SELECT ON ohlcv_1h, ohlcv_1d, symbols, coverage_30d, coverage_90d, coverage_365d TO backtester;
    END IF;
    IF pg_has_role(current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'MEMBER') THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM public', current_database());
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
            EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO market_writer', current_database());
        END IF;
    ELSE
        RAISE WARNING 'temporary tables stay open to every role: only the owner of % may change that', current_database();
    END IF;
    BEGIN
        ALTER ROLE backtester SET statement_timeout = '60s';
    EXCEPTION
        WHEN undefined_object THEN NULL; -- 0007_roles has said that the role is missing
        WHEN insufficient_privilege THEN
            RAISE WARNING 'a role that may change backtester should run: ALTER ROLE backtester SET statement_timeout = ''60s''';
    END;
END
$$;
