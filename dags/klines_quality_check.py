"""### Measure completeness, gaps and anomalies of what is stored

Counts the stored series in a range of days against what was listed, finds gaps and their causes, checks the candles for
anomalies, and writes `data_quality`, `data_gap` and `data_anomaly`. The run's note has the result. Nothing is loaded.

**When**: by hand, whenever in doubt. Every loading Dag ends with the same measurement of what it loaded.

**Running it again** is safe: at the same data it changes nothing but the time of the check.

**What to do when it fails**: it reads and writes the market database and asks the exchange for the time, and for
witnesses of holes that only one stored pair has. The red task's last line says which of them is not there.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from include.klines import forms
from include.klines.health import alerts
from include.klines.quality.operators import MeasureQualityOperator
from include.klines.task_arguments import CLOSING, DEFAULT_ARGS


@dag(
    schedule=None,
    max_active_runs=2,
    is_paused_upon_creation=False,
    on_failure_callback=alerts.run_failed,
    default_args=DEFAULT_ARGS,
    dag_display_name="Klines: quality check",
    description="Measures completeness, gaps and anomalies of any range; loads nothing.",
    tags=["klines", "quality"],
    doc_md=__doc__,
    params=forms.quality_check(),
)
def klines_quality_check() -> None:
    """Choose, measure, publish."""

    @task(task_display_name="Choose series and range", multiple_outputs=True)
    def choose_scope(**context: Any) -> dict[str, Any]:
        from include.klines.upkeep.tasks import choose_range

        return choose_range(context)

    @task(multiple_outputs=True, **CLOSING)
    def publish_summary(scope: dict[str, Any], **context: Any) -> dict[str, Any]:
        from include.klines.upkeep.tasks import publish_quality

        return publish_quality(scope, context)

    scope = choose_scope()
    MeasureQualityOperator(task_id="measure_quality", scope=scope) >> publish_summary(scope)


klines_quality_check()
