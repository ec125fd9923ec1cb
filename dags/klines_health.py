"""### Every hour: are the tables what the project promises?

One task for each kind of promise: at least 99 % of the candles that any load can bring, over 30, 90 and 365 days
(`completeness`); every series that still trades synced within 48 hours (`last_sync`, which also notices a daily Dag
that is paused or never ran); no unexplained gap older than 7 days (`open_gaps`); at most 5 % of a day's windows failed
and 10 % of its requests sent again (`errors`); no ban by the exchange (`ban`). A broken promise fails its task, whose
last lines name the series, worst first, the cause, and the command that mends it.

**When**: at every full hour; the time is the end of the run's data interval. It reads tables only and asks the exchange
for nothing. Created paused: unpause it with `klines_daily_increment`. An empty database is healthy.

**Running it again** is safe. What is broken stands in `sla_miss` until it holds again. It is sent by email and chat
where these are set up (`docs/operations.md`), else written to the log: once, then daily, then that it has cleared.

**What to do when it fails**: what the red task's last lines say. It turns green by itself at the next full hour. A task
that is red for another reason is named in the log of `publish_summary`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, dag, task

from include.klines.assets import DATA_QUALITY, HEALTHY_DATA
from include.klines.health import deadlines
from include.klines.health.checks import KINDS
from include.klines.task_arguments import CLOSING, DEFAULT_ARGS


@dag(
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2025, 10, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    deadline=deadlines.HEALTH,
    on_success_callback=deadlines.run_done,
    default_args=DEFAULT_ARGS | {"execution_timeout": timedelta(minutes=15), "retry_delay": timedelta(seconds=30)},
    dag_display_name="Klines: health",
    description="Are the tables what is promised? Names what is not, and the command that mends it.",
    tags=["klines", "scheduled"],
    doc_md=__doc__,
)
def klines_health() -> None:
    """Check each kind of promise, sum up."""

    @task(
        task_display_name="Check a promise",
        multiple_outputs=True,
        map_index_template="{{ task.op_kwargs['kind'] }}",
    )
    def check_health(kind: str, **context: Any) -> dict[str, Any]:
        from include.klines.health import tasks

        return tasks.check_health(kind, context)

    @task(multiple_outputs=True, **CLOSING, inlets=[DATA_QUALITY], outlets=[HEALTHY_DATA])
    def publish_summary(**context: Any) -> dict[str, Any]:
        from include.klines.coverage import airflow_metrics
        from include.klines.health.tasks import publish_health

        return publish_health(context, airflow_metrics.send)

    check_health.expand(kind=list(KINDS)) >> publish_summary()


klines_health()
