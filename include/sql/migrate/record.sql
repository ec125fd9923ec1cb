-- Records a migration in its own transaction. Binds: number, name, checksum. A second run fails on the key.
INSERT INTO schema_migration (number, name, checksum)
VALUES (%(number)s::integer, %(name)s::text, %(checksum)s::text);
