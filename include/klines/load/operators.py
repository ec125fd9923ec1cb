"""The SQL operator that loads: candles into market_data, over one connection of market_db a lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.sql.operators.sql import BaseSQLOperator

from include.klines.settings import BINANCE_CONN_ID, MARKET_CONN_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from include.klines.load.loading import LaneLoader


class LoadLaneOperator(BaseSQLOperator):
    """Loads one lane: each missing window is fetched down the ladder and upserted in a transaction of its own.

    :param lane: a lane as JSON (`include.klines.load.lanes.Lane`); mapped, and named in the UI by its `name`
    :param source: auto, archive or rest
    :param refresh: fetch what is stored again too, so that revisions are found
    """

    template_fields: Sequence[str] = (*BaseSQLOperator.template_fields, "lane", "source", "refresh")
    ui_color = "#e6f0fa"

    def __init__(
        self, *, lane: dict[str, Any], source: str = "auto", refresh: bool | str = False, **kwargs: Any
    ) -> None:
        super().__init__(conn_id=kwargs.pop("conn_id", MARKET_CONN_ID), **kwargs)
        self.lane = lane
        self.source = source
        self.refresh = refresh

    def execute(self, context: Context) -> dict[str, str | int]:
        """Returns the counts of the lane; raises LoadError naming the windows that failed."""
        from binance_plugin.hook import BinanceHook
        from include.klines.clock import ExchangeClock
        from include.klines.database import market_connection
        from include.klines.load.lanes import Lane

        hook = BinanceHook(BINANCE_CONN_ID)
        with market_connection(self.get_db_hook()) as conn:
            loader = self._loader()(
                conn=conn,
                client=hook,
                clock=ExchangeClock.read(hook),
                dag_id=context["dag"].dag_id,
                run_id=context["run_id"],
                source=self.source,  # type: ignore[arg-type]  # checked by choose_scope
                refresh=str(self.refresh) == "True",  # a template renders to text
            )
            return loader.load(Lane.from_json(self.lane)).to_json()

    def _loader(self) -> type[LaneLoader]:
        from include.klines.load.loading import LaneLoader

        return LaneLoader
