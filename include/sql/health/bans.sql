-- Addresses of the exchange that have banned us for longer than until `clock`.
-- Binds: clock. View: request_budget. Reads only.
SELECT
    address,
    banned_until
FROM request_budget
WHERE banned_until > %(clock)s::timestamptz
ORDER BY banned_until DESC, address ASC;
