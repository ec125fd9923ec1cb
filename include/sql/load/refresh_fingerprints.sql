-- Computes the digests that loads have made void, so that readers need not. Returns how many. Function: refresh_fingerprints.
-- Binds: none. A second run finds nothing to do.
SELECT refresh_fingerprints();
