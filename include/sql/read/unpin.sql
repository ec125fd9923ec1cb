-- Lifts a pin; a name that is not pinned gives no row.
-- Binds: name. Writes dataset_pin. A second run does nothing.
DELETE FROM dataset_pin
WHERE dataset_pin.name = %(name)s::text
RETURNING dataset_pin.name;
