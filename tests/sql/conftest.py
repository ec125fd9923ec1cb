from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.klines.retention.cold_storage import ColdStorage
from tests.sql.stored import grid, list_symbol, made_up, store

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import psycopg


@pytest.fixture
def days(market_conn: psycopg.Connection) -> pd.DataFrame:
    """Ten days of BTC 1h, listed long before."""
    frame = made_up(grid("2024-02-25", "2024-03-06"))
    store(market_conn, "BTC", "1h", frame)
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    market_conn.commit()
    return frame


@pytest.fixture
def storage(conn: psycopg.Connection, tmp_path: Path) -> ColdStorage:
    """An empty folder for what is pruned from the file's own `conn`."""
    return ColdStorage.open(conn, (tmp_path / "cold").as_uri())
