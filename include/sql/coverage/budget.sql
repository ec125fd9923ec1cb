-- Request weight against the budget, and open pauses and bans, the address that was used last first.
-- Binds: none. View: request_budget. Reads only.
SELECT
    address,
    weight_limit,
    weight_budget,
    used_last_minute,
    paused_until,
    banned_until,
    updated_at
FROM request_budget
ORDER BY updated_at DESC, address ASC;
