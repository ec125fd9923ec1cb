-- Stores what one universe sync found, all listings in one statement.
-- Binds: one array a column (equally long), in listing order; synced_at, one time for all.
-- Writes symbol_listing. A second run only moves synced_at.
INSERT INTO symbol_listing AS listing (
    symbol,
    listing_number,
    exchange_symbol,
    base_asset,
    quote_asset,
    tier,
    status,
    excluded_by,
    listed_at,
    delisted_at,
    successor,
    successor_ratio,
    note,
    holes_checked_until,
    synced_at
)
SELECT
    found.symbol,
    found.listing_number,
    found.exchange_symbol,
    found.base_asset,
    found.quote_asset,
    found.tier,
    found.status,
    found.excluded_by,
    found.listed_at,
    found.delisted_at,
    found.successor,
    found.successor_ratio,
    found.note,
    found.holes_checked_until,
    %(synced_at)s::timestamptz AS synced_at
FROM
    unnest(
        %(symbol)s::text[],
        %(listing_number)s::smallint[],
        %(exchange_symbol)s::text[],
        %(base_asset)s::text[],
        %(quote_asset)s::text[],
        %(tier)s::text[],
        %(status)s::text[],
        %(excluded_by)s::text[],
        %(listed_at)s::timestamptz[],
        %(delisted_at)s::timestamptz[],
        %(successor)s::text[],
        %(successor_ratio)s::numeric[],
        %(note)s::text[],
        %(holes_checked_until)s::timestamptz[]
    ) AS found (
        symbol,
        listing_number,
        exchange_symbol,
        base_asset,
        quote_asset,
        tier,
        status,
        excluded_by,
        listed_at,
        delisted_at,
        successor,
        successor_ratio,
        note,
        holes_checked_until
    )
ON CONFLICT (symbol, listing_number) DO UPDATE SET
    exchange_symbol = excluded.exchange_symbol,
    base_asset = excluded.base_asset,
    quote_asset = excluded.quote_asset,
    tier = excluded.tier,
    status = excluded.status,
    excluded_by = excluded.excluded_by,
    listed_at = excluded.listed_at,
    delisted_at = excluded.delisted_at,
    successor = excluded.successor,
    successor_ratio = excluded.successor_ratio,
    note = excluded.note,
    holes_checked_until = excluded.holes_checked_until,
    synced_at = excluded.synced_at;
