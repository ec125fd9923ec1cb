"""The SQL operators of the upkeep: the lane loader asked for gaps, and closed years put in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.sql.operators.sql import BaseSQLOperator

from include.klines.load.operators import LoadLaneOperator
from include.klines.settings import BINANCE_CONN_ID, MARKET_CONN_ID

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.klines.load.loading import LaneLoader


class FillGapsOperator(LoadLaneOperator):
    """Loads a lane of gaps: each one as a whole, and what REST and the archive find empty is noted as an attempt."""

    def _loader(self) -> type[LaneLoader]:
        from include.klines.upkeep.gap_filling import GapLoader

        return GapLoader


class OrderPartitionsOperator(BaseSQLOperator):
    """Writes closed partitions of 1h and longer anew in the order of their symbols, where they are not."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(conn_id=kwargs.pop("conn_id", MARKET_CONN_ID), **kwargs)

    def execute(self, context: Context) -> list[str]:
        """Returns the partitions that were rewritten, as in "1h 2025"."""
        from binance_plugin.hook import BinanceHook
        from include.klines.clock import ExchangeClock
        from include.klines.database import market_connection
        from include.klines.upkeep.ordering import order_closed_partitions

        clock = ExchangeClock.read(BinanceHook(BINANCE_CONN_ID)).now()
        with market_connection(self.get_db_hook()) as conn:
            return order_closed_partitions(conn, clock)
