"""The closing step of every Dag that loads: ask about lonely holes, measure, and have the digests ready for readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.klines import sql
from include.klines.quality import measuring
from include.klines.quality.witnesses import ask_witnesses

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from binance_plugin.client import BinanceClient
    from include.klines.load.planning import Scope
    from include.klines.quality.measuring import QualityReport


def measure_scope(client: BinanceClient, conn: psycopg.Connection, scope: Scope, clock: datetime) -> QualityReport:
    """Measure the series of a scope in its window as of `clock`, the exchange's time (UTC).

    The client's errors pass through: what was measured before stays.
    """
    ask_witnesses(client, conn, timeframes=scope.timeframes, window=scope.window, clock=clock)
    report = measuring.measure(conn, scope.series, scope.measured, clock)
    conn.execute(sql.load("load/refresh_fingerprints").encode())
    return report
