"""### Every week: find what is missing, fetch exactly that, say what is left

Measures the stored series in the last 90 whole days (or from `start` to `end`), asks for each gap that has no
explanation, down the ladder, and measures again. The run's note says what was found, filled, explained and is still
open. Rows deleted by hand come back as they were. The last task writes the week's report, one HTML file, to
`KLINES_REPORTS` (`.run/reports`); a scheduled run attaches it to a mail where mail is set up.

**When**: Sunday 03:00 UTC, an hour after the daily increment. Created paused. By hand for any range: give `start` and
`end`, and `symbols` for some.

**Running it again** is safe. A gap that is explained (exchange outage, suspension, pruned) costs no request. One that
REST and the archive find empty on two different days is a suspension from then on. One that `max_attempts` gap fills
found empty without that is no longer asked for, only reported: run it with a higher `max_attempts` to ask again.

**What to do when it fails**: clear the red lanes, or leave it: the next run finds the same gaps. Gaps that stay open do
not fail the run; `klines_health` names those older than a week, and `docs/operations.md` says what may be behind them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, TriggerRule, dag, task

from include.klines import forms
from include.klines.assets import MARKET_DATA
from include.klines.health import alerts, deadlines
from include.klines.quality.operators import MeasureQualityOperator
from include.klines.task_arguments import CLOSING, DEFAULT_ARGS, LANE
from include.klines.upkeep.operators import FillGapsOperator


@dag(
    schedule=CronDataIntervalTimetable("0 3 * * 0", timezone="UTC"),
    start_date=datetime(2025, 10, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    deadline=deadlines.WEEKLY,
    on_success_callback=deadlines.run_done,
    on_failure_callback=alerts.run_failed,
    default_args=DEFAULT_ARGS,
    dag_display_name="Klines: weekly gap fill",
    description="Finds what is missing in 90 days or any range, and fetches exactly that.",
    tags=["klines", "scheduled"],
    doc_md=__doc__,
    params=forms.weekly_gap_fill(),
)
def klines_weekly_gap_fill() -> None:
    """Measure, fetch what is missing, measure again, report."""

    @task(task_display_name="Choose series and range", multiple_outputs=True)
    def choose_scope(**context: Any) -> dict[str, Any]:
        from include.klines.upkeep.tasks import choose_range

        return choose_range(context)

    @task(task_display_name="Plan the lanes")
    def make_lanes(scope: dict[str, Any], **context: Any) -> list[dict[str, Any]]:
        from include.klines.upkeep.tasks import make_gap_lanes

        return make_gap_lanes(scope, context)

    @task(multiple_outputs=True, **CLOSING, outlets=[MARKET_DATA])
    def publish_summary(scope: dict[str, Any], lanes: list[dict[str, Any]], **context: Any) -> dict[str, Any]:
        from include.klines.upkeep.tasks import publish_gap_fill

        return publish_gap_fill(scope, lanes, context)

    @task(task_display_name="Publish the report", multiple_outputs=True, trigger_rule=TriggerRule.ALL_DONE)
    def publish_report(**context: Any) -> dict[str, Any]:
        from include.klines.coverage import tasks

        return tasks.publish_report(context)

    scope = choose_scope()
    found = MeasureQualityOperator(task_id="measure_gaps", task_display_name="Find the gaps", scope=scope)
    lanes = make_lanes(scope)
    filled = FillGapsOperator.partial(
        task_id="load_lane",
        task_display_name="Load a lane",
        **LANE,
    ).expand(lane=lanes)
    measured = MeasureQualityOperator(task_id="measure_quality", scope=scope, trigger_rule=TriggerRule.ALL_DONE)
    found >> lanes
    filled >> measured >> [publish_summary(scope, lanes), publish_report()]


klines_weekly_gap_fill()
