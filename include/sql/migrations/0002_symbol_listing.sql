-- What was tradable, when, and as which asset.
-- What an operator notices: symbol_listing is filled by the universe sync at the start of each load.

CREATE TABLE symbol_listing (
    symbol text NOT NULL,
    listing_number smallint NOT NULL DEFAULT 1,
    exchange_symbol text NOT NULL,
    base_asset text NOT NULL,
    quote_asset text NOT NULL,
    tier text NOT NULL,
    excluded_by text,
    status text NOT NULL,
    listed_at timestamptz,
    delisted_at timestamptz,
    successor text,
    successor_ratio numeric,
    note text,
    holes_checked_until timestamptz,
    synced_at timestamptz NOT NULL,
    PRIMARY KEY (symbol, listing_number),
    CONSTRAINT tier_is_known CHECK (tier IN ('core', 'extended', 'excluded')),
    CONSTRAINT excluded_pairs_name_their_rule CHECK ((tier = 'excluded') = (excluded_by IS NOT NULL)),
    CONSTRAINT listing_comes_before_delisting CHECK (listed_at < delisted_at),
    CONSTRAINT successor_has_a_ratio CHECK ((successor IS NULL) = (successor_ratio IS NULL)),
    CONSTRAINT listing_number_starts_at_one CHECK (listing_number >= 1)
);

COMMENT ON TABLE symbol_listing IS
'One row an asset that traded under a symbol: a reused ticker has several, in order of time; a suspension stays one row. A series is expected to have every grid open t with floor(listed_at, timeframe) <= t < delisted_at.';
COMMENT ON COLUMN symbol_listing.symbol IS 'Base asset, the symbol of market_data.';
COMMENT ON COLUMN symbol_listing.listing_number IS '1 for the first asset under this ticker, 2 for the next one, in order of time.';
COMMENT ON COLUMN symbol_listing.exchange_symbol IS 'Name at the exchange, as in BTCUSDT.';
COMMENT ON COLUMN symbol_listing.base_asset IS 'What is traded.';
COMMENT ON COLUMN symbol_listing.quote_asset IS 'What it is paid in.';
COMMENT ON COLUMN symbol_listing.tier IS 'core, extended, or excluded (known, but never loaded).';
COMMENT ON COLUMN symbol_listing.excluded_by IS 'Name of the rule in universe.yaml that leaves the pair out.';
COMMENT ON COLUMN symbol_listing.status IS 'Status at the exchange at the last sync (TRADING, BREAK …); DELISTED where only the archive knows the pair.';
COMMENT ON COLUMN symbol_listing.listed_at IS 'Open time of the first candle, discovered; null until a load asked for it.';
COMMENT ON COLUMN symbol_listing.delisted_at IS 'End of the last candle, discovered; null while it trades.';
COMMENT ON COLUMN symbol_listing.successor IS 'Symbol that replaced this asset, as POL for MATIC.';
COMMENT ON COLUMN symbol_listing.successor_ratio IS 'Units of the successor for one unit of this asset.';
COMMENT ON COLUMN symbol_listing.note IS 'What could not be classified about the pair, in one sentence.';
COMMENT ON COLUMN symbol_listing.holes_checked_until IS 'Its 1d candles were searched for long holes (a reused or redenominated ticker) up to here; null = never.';
COMMENT ON COLUMN symbol_listing.synced_at IS 'When the row was last held against the exchange.';
