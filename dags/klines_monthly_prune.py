"""### Every month: what is older than retention allows goes into Parquet, and then out of the database

Counts `retention_months` of `timeframes.yaml` back from the month in which the run's data interval ends. What opened
before that, and is not pinned, is written to one Parquet file a symbol, timeframe and year (`KLINES_COLD_STORAGE`),
read back, compared with the database by number and digest, and only then removed: a whole partition where nothing in it
is pinned or young enough, else a month of a series at a time. `data_gap` remembers it as `pruned`, so that no gap fill
asks for it and no completeness suffers.

**When**: the 1st, 04:00 UTC. Created paused. By hand it only reports, candles and bytes by symbol and timeframe, unless
`dry_run` is set to false. The initial window of 1h and 1d is pinned: `docs/operations.md` says how to lift a pin.

**Running it again** is safe at any point: a file only grows, and nothing is removed that is not in it.

**What to do when it fails**: clear the red lanes. One that says `was in use` waited two minutes for loads or long reads
of that timeframe to end. A file that `is not what was written` was damaged: nothing of its year is removed until it is
restored or moved away. To bring candles back: `python -m include.klines.restore`, see `docs/operations.md`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, dag, task

from include.klines.health import alerts, deadlines
from include.klines.retention.operators import PruneLaneOperator
from include.klines.task_arguments import CLOSING, DEFAULT_ARGS

DRY_RUN = Param(
    None,
    type=["null", "boolean"],
    title="Only report",
    description="True: remove nothing. False: remove. Empty: a scheduled run removes, one started by hand reports.",
)


@dag(
    schedule=CronDataIntervalTimetable("0 4 1 * *", timezone="UTC"),
    start_date=datetime(2025, 10, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    deadline=deadlines.MONTHLY,
    on_success_callback=deadlines.run_done,
    on_failure_callback=alerts.run_failed,
    default_args=DEFAULT_ARGS,
    dag_display_name="Klines: monthly prune",
    description="Moves what is older than its retention into Parquet files; never pinned data.",
    tags=["klines", "scheduled"],
    doc_md=__doc__,
    params={"dry_run": DRY_RUN},
)
def klines_monthly_prune() -> None:
    """Choose, save and remove, report."""

    @task(task_display_name="Choose what is old", multiple_outputs=True)
    def choose_candles(**context: Any) -> dict[str, Any]:
        from include.klines.retention.tasks import choose_candles as choose

        return choose(context)

    @task(task_display_name="Plan the lanes")
    def make_lanes(plan: dict[str, Any]) -> list[dict[str, Any]]:
        return list(plan["lanes"])

    @task(multiple_outputs=True, **CLOSING)
    def publish_summary(plan: dict[str, Any], **context: Any) -> dict[str, Any]:
        from include.klines.retention.tasks import publish_prune

        return publish_prune(plan, context)

    plan = choose_candles()
    pruned = PruneLaneOperator.partial(
        task_id="prune_lane",
        task_display_name="Save and remove",
        max_active_tis_per_dag=2,
        priority_weight=1,
        map_index_template="{{ task.lane['name'] }}",
        execution_timeout=timedelta(hours=12),
    ).expand(lane=make_lanes(plan))
    pruned >> publish_summary(plan)


klines_monthly_prune()
