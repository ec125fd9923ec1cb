"""Closed partitions in the order of their symbols: what came day by day lies on three times the pages of a read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.klines import sql

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

log = logging.getLogger(__name__)


def order_closed_partitions(conn: psycopg.Connection, clock: datetime) -> list[str]:
    """Rewrite every partition of 1h and longer that has ended and is not in order; their names, as in "1h 2024".

    Each in a transaction of its own: after a crash the next call goes on with what is left. Raises
    psycopg.errors.LockNotAvailable where a load waits for one, which goes first, or readers keep one for two minutes:
    then nothing of it has changed, and the task tries again a minute or more later.
    """
    done = []
    for timeframe, start in conn.execute(sql.load("order/unordered").encode(), {"clock": clock}).fetchall():
        with conn.transaction():
            binds = {"timeframe": timeframe, "range_start": start}
            (candles,) = conn.execute(sql.load("order/rewrite").encode(), binds).fetchone() or (0,)
        done.append(f"{timeframe} {start:%Y}")
        log.info("%s: %s candles in the order of their symbols", done[-1], candles)
    return done
