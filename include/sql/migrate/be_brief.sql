-- Lets this transaction wait so long for a lock, and no longer: whoever reads the same table queues behind it meanwhile.
-- Binds: patience (such as 5s). Tables: none. A second run is safe.
SELECT set_config('lock_timeout', %(patience)s::text, TRUE);
