-- Reads the names and checksums of the applied migrations. A second run is safe.
SELECT
    name,
    checksum
FROM schema_migration
ORDER BY number;
