"""The SQL files under include/sql, by name: `sql.load("load/upsert")`."""

from __future__ import annotations

from functools import cache

from include.klines.settings import SQL_DIR


@cache
def load(name: str) -> str:
    """The text of include/sql/<name>.sql, as it runs."""
    return (SQL_DIR / f"{name}.sql").read_text(encoding="utf-8")
