"""How the tests' own PostgreSQL servers are set."""

from __future__ import annotations

FAST_AND_UNSAFE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "1GB",
    "dynamic_shared_memory_type": "mmap",  # inside the data folder: a killed server leaves nothing behind
}
"""A crash of the machine would lose data, which tests do not keep."""
