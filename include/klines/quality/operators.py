"""The SQL operator that measures: the closing step of every Dag that loads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.sql.operators.sql import BaseSQLOperator
from airflow.sdk.exceptions import AirflowSkipException

from include.klines.assets import DATA_QUALITY, MARKET_DATA
from include.klines.settings import BINANCE_CONN_ID, MARKET_CONN_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class MeasureQualityOperator(BaseSQLOperator):
    """Measures completeness, gaps and anomalies of a scope, and stores them in data_quality and data_gap.

    :param scope: a scope as JSON (`include.klines.load.planning.Scope`)
    """

    template_fields: Sequence[str] = (*BaseSQLOperator.template_fields, "scope")
    ui_color = "#e8f6ee"

    def __init__(self, *, scope: dict[str, Any] | None, **kwargs: Any) -> None:
        described = {"task_display_name": "Measure quality", "inlets": [MARKET_DATA], "outlets": [DATA_QUALITY]}
        super().__init__(conn_id=kwargs.pop("conn_id", MARKET_CONN_ID), **described | kwargs)
        self.scope = scope

    def execute(self, context: Context) -> dict[str, Any]:
        """Returns the counts of the measurement."""
        from binance_plugin.hook import BinanceHook
        from include.klines.clock import ExchangeClock
        from include.klines.database import market_connection
        from include.klines.load.planning import Scope
        from include.klines.quality.closing import measure_scope

        if self.scope is None:  # this task also runs after failures, which may have come before there was a scope
            raise AirflowSkipException("there is nothing to measure: choose_scope failed, its log says why.")
        scope = Scope.from_json(self.scope)
        hook = BinanceHook(BINANCE_CONN_ID)
        clock = ExchangeClock.read(hook).now()
        with market_connection(self.get_db_hook()) as conn:
            report = measure_scope(hook, conn, scope, clock)
        self.log.info("%s", report)
        return report.to_json()
