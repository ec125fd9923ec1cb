-- Drops a partition that was taken out and is in its files. Function: drop_taken_out_partition.
-- Binds: partition. A second run fails: it is gone.
SELECT drop_taken_out_partition(%(partition)s::text);
