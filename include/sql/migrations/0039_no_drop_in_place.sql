-- A partition goes in one way only: taken out, held against its files, dropped.
-- What an operator notices: drop_market_data_partition() is gone, which dropped one in place. Nothing has called it since 0023.

DROP FUNCTION drop_market_data_partition(text, timestamptz);
