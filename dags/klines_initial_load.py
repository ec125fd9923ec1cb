"""### Load history: 2020-01-01 to 2025-09-30, or any other range

Fetches closed candles from the Binance archive (monthly files, then daily files) and, for what the archive lacks, from
REST, checks each candle, and stores them in `market_data`.

**When**: once, by hand, after the first start; again for more symbols, timeframes or years. Begin with the core tier.

**Running it again** is safe: only what is missing is transferred, no stored row changes unless Binance revised it, and
each revision is kept in `market_data_revision`. Two runs over the same series take turns.

**What to do when it fails**: every lane that could load has loaded. Open a red lane: its last line says which windows
failed and why. Clear the red lanes, or trigger the same run again; both go on where it stopped.
`Banned`: nothing to do, the task is tried again when the ban has ended. `GeoBlocked`: if you changed the host of
`binance_default`, set it back to `https://data-api.binance.vision`; else run from another location, or through a proxy.
How, and everything else, is in `docs/operations.md`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import TriggerRule, dag, task

from include.klines import forms
from include.klines.assets import MARKET_DATA
from include.klines.health import alerts
from include.klines.load.operators import LoadLaneOperator
from include.klines.quality.operators import MeasureQualityOperator
from include.klines.task_arguments import CLOSING, DEFAULT_ARGS, LANE


@dag(
    schedule=None,
    max_active_runs=2,
    is_paused_upon_creation=False,
    on_failure_callback=alerts.run_failed,
    default_args=DEFAULT_ARGS,
    dag_display_name="Klines: initial load",
    description="Loads history from the archive and REST: any pairs, timeframes and days; resumes where it stopped.",
    tags=["klines", "load"],
    doc_md=__doc__,
    params=forms.initial_load(),
)
def klines_initial_load() -> None:
    """Plan, load in lanes, measure, publish."""

    @task(task_display_name="Choose series and range", multiple_outputs=True)
    def choose_scope(params: dict[str, Any] | None = None) -> dict[str, Any]:
        from include.klines.load.tasks import choose_load_scope

        return choose_load_scope(params or {})

    @task(task_display_name="Plan the lanes")
    def make_lanes(scope: dict[str, Any], params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        from include.klines.load.tasks import make_lanes as lanes_of

        return lanes_of(scope, params or {})

    @task(multiple_outputs=True, **CLOSING, outlets=[MARKET_DATA])
    def publish_summary(scope: dict[str, Any], lanes: list[dict[str, Any]], **context: Any) -> dict[str, Any]:
        from include.klines.load.tasks import publish_load_summary

        return publish_load_summary(scope, lanes, context)

    scope = choose_scope()
    lanes = make_lanes(scope)
    loaded = LoadLaneOperator.partial(
        task_id="load_lane",
        task_display_name="Load a lane",
        source="{{ params.source }}",
        refresh="{{ params.refresh }}",
        **LANE,
    ).expand(lane=lanes)
    measured = MeasureQualityOperator(task_id="measure_quality", scope=scope, trigger_rule=TriggerRule.ALL_DONE)
    loaded >> measured >> publish_summary(scope, lanes)


klines_initial_load()
