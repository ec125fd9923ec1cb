"""### Every day: yesterday's candles, and what changed in the days before

Loads the closed candles of the run's data interval and reads the last `lookback_days` before it again, so that late
candles arrive and revisions are recorded. Which pairs: the core tier and every symbol that has stored candles of the
timeframe, as long as they were listed in that window. New and ended listings stand in the run's note.

**When**: 02:00 UTC. Created paused: unpause it when `klines_initial_load` is done. It then catches up from 2025-10-01,
oldest day first, two days at a time. Whole months of the past come from the archive: the first run of a month that
ended 15 days ago or earlier loads all of that month, and its other days find it stored and ask for nothing.
`airflow backfill create --dag-id klines_daily_increment --from-date 2025-10-01 --to-date 2025-11-01` runs October's
days (a run begins at 02:00, so the last day is the one before `--to-date`); add `--reprocess-behavior completed` for
days that ran before.

**Running it again** is safe and gives the same candles, whenever it happens: a run ends where its data interval ends,
whatever the time is. One made by hand goes up to its logical date.

**What to do when it fails**: clear the red lanes, or leave it: the next run reads `lookback_days` again, and
`klines_weekly_gap_fill` looks 90 days back. `Banned`: the task is tried again when the ban has ended. `GeoBlocked`: if
you changed the host of `binance_default`, set it back to `https://data-api.binance.vision`; else run from another
location, or through a proxy. How, and everything else, is in `docs/operations.md`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, TriggerRule, dag, task

from include.klines import forms
from include.klines.assets import MARKET_DATA
from include.klines.health import alerts, deadlines
from include.klines.load.operators import LoadLaneOperator
from include.klines.quality.operators import MeasureQualityOperator
from include.klines.task_arguments import CLOSING, DEFAULT_ARGS, LANE


@dag(
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    start_date=datetime(2025, 10, 1, tzinfo=UTC),
    catchup=True,
    max_active_runs=2,
    deadline=deadlines.DAILY,
    on_success_callback=deadlines.run_done,
    on_failure_callback=alerts.run_failed,
    default_args=DEFAULT_ARGS,
    dag_display_name="Klines: daily increment",
    description="Yesterday's candles, and what changed in the days before.",
    tags=["klines", "scheduled"],
    doc_md=__doc__,
    params=forms.daily_increment(),
)
def klines_daily_increment() -> None:
    """Sync the universe, plan, load in lanes, measure, publish."""

    @task(task_display_name="Choose series and range", multiple_outputs=True)
    def choose_scope(**context: Any) -> dict[str, Any]:
        from include.klines.upkeep.tasks import choose_increment

        return choose_increment(context)

    @task(task_display_name="Plan the lanes")
    def make_lanes(scope: dict[str, Any], **context: Any) -> list[dict[str, Any]]:
        from include.klines.upkeep.tasks import make_increment_lanes

        return make_increment_lanes(scope, context)

    @task(multiple_outputs=True, **CLOSING, outlets=[MARKET_DATA])
    def publish_summary(scope: dict[str, Any], lanes: list[dict[str, Any]], **context: Any) -> dict[str, Any]:
        from include.klines.load.tasks import publish_load_summary

        return publish_load_summary(scope, lanes, context)

    scope = choose_scope()
    lanes = make_lanes(scope)
    loaded = LoadLaneOperator.partial(
        task_id="load_lane",
        task_display_name="Load a lane",
        **LANE,
    ).expand(lane=lanes)
    measured = MeasureQualityOperator(task_id="measure_quality", scope=scope, trigger_rule=TriggerRule.ALL_DONE)
    loaded >> measured >> publish_summary(scope, lanes)


klines_daily_increment()
