"""The SQL operators of the Dags: candles into market_data, and quality out of it.

Both hold a connection of market_db for as long as they work and run the statements under include/sql.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.sql.operators.sql import BaseSQLOperator
from airflow.sdk.exceptions import AirflowSkipException

from include.klines.settings import BINANCE_CONN_ID, MARKET_CONN_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from include.klines.loading import LaneLoader


class LoadLaneOperator(BaseSQLOperator):
    """Loads one lane: each missing window is fetched down the ladder and upserted in a transaction of its own.

    :param lane: a lane as JSON (`include.klines.lanes.Lane`); mapped, and named in the UI by its `name`
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
        from include.klines.lanes import Lane

        hook = BinanceHook(BINANCE_CONN_ID)
        with market_connection(self.get_db_hook()) as conn:
            loader = self._loader()(
                conn=conn,
                hook=hook,
                clock=ExchangeClock.read(hook),
                dag_id=context["dag"].dag_id,
                run_id=context["run_id"],
                source=self.source,  # type: ignore[arg-type]  # checked by choose_scope
                refresh=str(self.refresh) == "True",  # a template renders to text
            )
            return loader.load(Lane.from_json(self.lane)).to_json()

    def _loader(self) -> type[LaneLoader]:
        from include.klines.loading import LaneLoader

        return LaneLoader


class FillGapsOperator(LoadLaneOperator):
    """Loads a lane of gaps: each one as a whole, and what REST and the archive find empty is noted as an attempt."""

    def _loader(self) -> type[LaneLoader]:
        from include.klines.gap_filling import GapLoader

        return GapLoader


class MeasureQualityOperator(BaseSQLOperator):
    """Measures completeness, gaps and anomalies of a scope, and stores them in data_quality and data_gap.

    :param scope: a scope as JSON (`include.klines.planning.Scope`)
    """

    template_fields: Sequence[str] = (*BaseSQLOperator.template_fields, "scope")
    ui_color = "#e8f6ee"

    def __init__(self, *, scope: dict[str, Any] | None, **kwargs: Any) -> None:
        super().__init__(conn_id=kwargs.pop("conn_id", MARKET_CONN_ID), **kwargs)
        self.scope = scope

    def execute(self, context: Context) -> dict[str, Any]:
        """Returns the counts of the measurement."""
        from binance_plugin.hook import BinanceHook
        from include.klines import quality, sql
        from include.klines.clock import ExchangeClock
        from include.klines.database import market_connection
        from include.klines.planning import Scope
        from include.klines.witnesses import ask_witnesses

        if self.scope is None:  # this task also runs after failures, which may have come before there was a scope
            raise AirflowSkipException("there is nothing to measure: choose_scope failed, its log says why.")
        scope = Scope.from_json(self.scope)
        hook = BinanceHook(BINANCE_CONN_ID)
        clock = ExchangeClock.read(hook).now()
        with market_connection(self.get_db_hook()) as conn:
            ask_witnesses(hook, conn, timeframes=scope.timeframes, window=scope.window, clock=clock)
            report = quality.measure(
                conn, symbols=None, timeframes=None, series=scope.series, window=scope.measured, clock=clock
            )
            conn.execute(sql.load("load/refresh_fingerprints").encode())
        self.log.info("%s", report)
        return report.to_json()
