"""### Every month: the month before is complete, and the archive still says what was loaded

Measures every stored series in the month before, fetches what is missing, and fails, naming each series, where less
than 99 % of the candles that any load can bring are there. Then it looks at the archive again: files loaded in the last
100 days that were replaced since are read again, and so are months whose monthly file came after REST had brought the
candles. Every difference is a revision in `market_data_revision`; the run's note says how many candles agree. In
January the partitions of the year that has ended are put into symbol order: a read then takes a third of the pages.

**When**: the 1st, 05:00 UTC, for the month that has just ended. Created paused. Its monthly files are not there yet on
that day: next month's run compares them.

**Running it again** is safe: an unchanged file is not read twice, and one that is read again changes only what differs.
A run made by hand is about the month before its logical date.

**What to do when it fails**: the last line of `publish_summary` names each series that is short, with the causes. Run
`klines_weekly_gap_fill` with the month's first and last day; what stays open then is in its note. When the candles are
there or explained, clear `measure_quality` and what follows it. Red lanes are cleared like any other;
`make_symbol_order` is red where long reads or loads kept a partition busy at every try, and may be cleared any day.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, TriggerRule, dag, task

from include.klines.assets import MARKET_DATA
from include.klines.health import alerts, deadlines
from include.klines.load.operators import LoadLaneOperator
from include.klines.quality.operators import MeasureQualityOperator
from include.klines.task_arguments import CLOSING, DEFAULT_ARGS, LANE
from include.klines.upkeep.operators import FillGapsOperator, OrderPartitionsOperator

Json = dict[str, Any]


@dag(
    schedule=CronDataIntervalTimetable("0 5 1 * *", timezone="UTC"),
    start_date=datetime(2025, 10, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    deadline=deadlines.MONTHLY,
    on_success_callback=deadlines.run_done,
    on_failure_callback=alerts.run_failed,
    default_args=DEFAULT_ARGS,
    dag_display_name="Klines: monthly consolidation",
    description="The month before is complete, and the archive still says what was loaded.",
    tags=["klines", "scheduled"],
    doc_md=__doc__,
)
def klines_monthly_consolidation() -> None:
    """Measure, fetch what is missing, look at the archive again, judge."""

    @task(task_display_name="Choose series and range", multiple_outputs=True)
    def choose_scope(**context: Any) -> Json:
        from include.klines.upkeep.tasks import choose_month

        return choose_month(context)

    @task(task_display_name="Plan the lanes")
    def make_lanes(scope: Json, **context: Any) -> list[Json]:
        from include.klines.upkeep.tasks import make_gap_lanes

        return make_gap_lanes(scope, context)

    @task(task_display_name="Plan files to read again")
    def make_file_lanes(scope: Json) -> list[Json]:
        from include.klines.upkeep.tasks import make_file_lanes as lanes_of

        return lanes_of(scope)

    @task(multiple_outputs=True, **CLOSING, outlets=[MARKET_DATA])
    def publish_summary(scope: Json, lanes: list[Json], again: list[Json], **context: Any) -> Json:
        from include.klines.upkeep.tasks import publish_month

        return publish_month(scope, lanes, again, context)

    scope = choose_scope()
    found = MeasureQualityOperator(task_id="measure_gaps", task_display_name="Find the gaps", scope=scope)
    lanes, again = make_lanes(scope), make_file_lanes(scope)
    filled = FillGapsOperator.partial(task_id="load_lane", task_display_name="Load a lane", **LANE).expand(lane=lanes)
    reread = LoadLaneOperator.partial(
        task_id="load_changed_files", task_display_name="Read changed files again", source="archive", **LANE
    ).expand(lane=again)
    measured = MeasureQualityOperator(task_id="measure_quality", scope=scope, trigger_rule=TriggerRule.ALL_DONE)
    found >> [lanes, again]
    ordered = OrderPartitionsOperator(task_id="make_symbol_order", task_display_name="Put closed years in order")
    [filled, reread] >> measured >> [publish_summary(scope, lanes, again), ordered]


klines_monthly_consolidation()
