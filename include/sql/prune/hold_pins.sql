-- Lets nobody pin anything until the transaction ends. Table: dataset_pin. Binds: none. A second run is safe.
LOCK TABLE dataset_pin IN SHARE MODE;
