"""The reader's SQL, one statement a file under include/sql/read."""

from __future__ import annotations

from functools import cache
from pathlib import Path

READ_DIR = Path(__file__).resolve().parents[2] / "sql" / "read"


@cache
def statement(name: str) -> bytes:
    """The text of include/sql/read/<name>.sql, as it runs."""
    return (READ_DIR / f"{name}.sql").read_bytes()
