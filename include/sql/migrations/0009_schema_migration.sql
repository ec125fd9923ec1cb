-- The record of migrations explains itself.
-- What an operator notices: nothing; \d+ schema_migration has comments.

COMMENT ON TABLE schema_migration IS 'Migrations that were applied to this database. A file that was edited afterwards is refused.';
COMMENT ON COLUMN schema_migration.number IS 'The number in the name of the file under include/sql/migrations.';
COMMENT ON COLUMN schema_migration.name IS 'The name of the file, without .sql.';
COMMENT ON COLUMN schema_migration.checksum IS 'SHA-256 of the file when it was applied.';
COMMENT ON COLUMN schema_migration.applied_at IS 'When it was applied.';
