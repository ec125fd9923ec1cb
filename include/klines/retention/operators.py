"""The SQL operator of klines_monthly_prune: candles out of market_data, into files first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.sql.operators.sql import BaseSQLOperator

from include.klines.settings import BINANCE_CONN_ID, MARKET_CONN_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class PruneLaneOperator(BaseSQLOperator):
    """Saves what is old in one timeframe and year as Parquet, verifies it, and removes it.

    :param lane: a lane as JSON (`include.klines.retention.plan.lanes_of`); mapped, and named in the UI by its `name`
    """

    template_fields: Sequence[str] = (*BaseSQLOperator.template_fields, "lane")
    ui_color = "#f6ece8"

    def __init__(self, *, lane: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(conn_id=kwargs.pop("conn_id", MARKET_CONN_ID), **kwargs)
        self.lane = lane

    def execute(self, context: Context) -> dict[str, Any]:
        """Returns the counts of the lane; raises PruneError, with what was not removed still stored."""
        from binance_plugin.hook import BinanceHook
        from include.klines.clock import ExchangeClock
        from include.klines.database import market_connection
        from include.klines.retention.cold_storage import ColdStorage
        from include.klines.retention.pruning import Pruner

        clock = ExchangeClock.read(BinanceHook(BINANCE_CONN_ID)).now()
        with market_connection(self.get_db_hook()) as conn:
            return Pruner(conn, ColdStorage.open(conn), clock).prune(self.lane).to_json()
