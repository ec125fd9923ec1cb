-- Addresses of the exchange that have banned us for longer than until `clock`.
-- Binds: clock. Table: exchange_budget. Reads only.
SELECT
    address,
    banned_until
FROM exchange_budget
WHERE banned_until > %(clock)s::timestamptz
ORDER BY banned_until DESC, address ASC;
