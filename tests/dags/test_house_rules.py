"""What every Dag, and the bundle around it, must be. A new Dag needs a line in DAGS, and then keeps every rule here."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk._shared.module_loading.file_discovery import find_path_from_directory
from airflow.sdk.definitions.mappedoperator import MappedOperator

from include.klines.load.lanes import Lane, SeriesPlan
from include.klines.retry import ExchangeRetryPolicy
from include.klines.settings import ROOT
from include.klines.windows import Window
from tests.dags.bundle import dags, parse

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from tests.dags.airflow_runs import Airflow

DAGS = {
    "klines_daily_increment",
    "klines_health",
    "klines_initial_load",
    "klines_monthly_consolidation",
    "klines_monthly_prune",
    "klines_quality_check",
    "klines_weekly_gap_fill",
}
VERBS = {"check", "choose", "load", "make", "measure", "prune", "publish"}
WITHOUT_AIRFLOW = ("load.planning", "load.loading", "quality.closing", "upkeep.increments", "upkeep.gap_filling")
WITHOUT_RETRIES = {"publish_summary": "it fails because a lane failed, which its own retry does not change"}
MOST_LINES = 100
RUNBOOK = ("**When**", "**Running it again**", "**What to do when it fails**")
HEAVY = {"numpy", "pandas", "pyarrow", "psycopg", "binance_plugin"}
LANE = Lane(
    "BTC 1h",
    (
        SeriesPlan(
            "BTC", "BTCUSDT", "1h", (Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)),)
        ),
    ),
)
MAPPED = {
    "check_health": ({"op_kwargs": {"kind": "completeness"}}, "completeness"),
    "load_changed_files": ({"lane": LANE.to_json()}, "BTC 1h"),
    "load_lane": ({"lane": LANE.to_json()}, "BTC 1h"),
    "prune_lane": ({"lane": {"name": "1h 2020", "timeframe": "1h", "year": 2020, "cutoff": "2021-01-01"}}, "1h 2020"),
}
"""For each mapped task: mapped arguments, and the name that the UI must show for them."""

each_dag = pytest.mark.parametrize("dag", dags(), ids=lambda dag: dag.dag_id)
each_task = pytest.mark.parametrize(
    "task", [task for dag in dags() for task in dag.tasks], ids=lambda task: f"{task.dag_id}.{task.task_id}"
)


def test_the_bundle_holds_exactly_the_known_dags() -> None:
    assert parse().import_errors == {}
    assert set(parse().dags) == DAGS


def test_airflow_finds_no_broken_file(airflow: Airflow) -> None:
    command = [sys.executable, "-m", "airflow", "dags", "list-import-errors", "--local", "--bundle-name", "klines"]
    found = subprocess.run(
        [*command, "--output", "json"], env=airflow.environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.splitlines()[-1] == "[]", found.stdout


def test_the_bundle_is_the_repository_and_only_its_dags_folder_is_searched() -> None:
    assert (ROOT / ".airflowignore").read_text() == "/*/\n!/dags/\n"
    seen = {Path(path) for path in find_path_from_directory(ROOT, ".airflowignore", "glob")}
    assert {path for path in seen if path.suffix == ".py"} == set((ROOT / "dags").glob("*.py"))


def test_the_plugin_loader_sees_only_modules_that_register_a_plugin() -> None:
    seen = {Path(path) for path in find_path_from_directory(ROOT / "plugins", ".airflowignore", "glob")}
    modules = {path for path in seen if path.suffix == ".py"}
    assert modules
    for path in modules:
        assert path.name.endswith("_plugin.py"), path
        assert "AirflowPlugin" in path.read_text(), path


@each_dag
def test_a_dag_is_explained_by_its_runbook(dag: DAG) -> None:
    source = Path(dag.fileloc).read_text()
    assert dag.doc_md is not None
    assert dag.doc_md.strip() == (ast.get_docstring(ast.parse(source), clean=False) or "").strip()
    assert all(heading in dag.doc_md for heading in RUNBOOK)
    assert dag.doc_md.startswith("### ")
    assert dag.dag_display_name != dag.dag_id


@each_dag
def test_a_dag_can_be_found_by_tag_and_owner(dag: DAG) -> None:
    assert "klines" in dag.tags
    assert len(dag.tags) > 1
    assert {task.owner for task in dag.tasks} == {"klines"}


@each_dag
def test_a_dag_and_its_tasks_read_well_in_the_ui(dag: DAG) -> None:
    assert dag.dag_display_name.startswith("Klines: ")
    assert dag.description
    assert dag.description.endswith(".")
    names = [task.task_display_name for task in dag.tasks]
    assert len(set(names)) == len(names)
    for task in dag.tasks:
        assert task.task_display_name != task.task_id
        assert task.task_display_name[0].isupper()
        assert "_" not in task.task_display_name


def test_the_asset_graph_goes_from_candles_over_their_quality_to_health() -> None:
    made: dict[str, set[str]] = {}
    used: dict[str, set[str]] = {}
    for task in [task for dag in dags() for task in dag.tasks]:
        for asset in task.outlets:
            made.setdefault(asset.name, set()).add(f"{task.dag_id}.{task.task_id}")
            assert not isinstance(task, MappedOperator), "a mapped task would emit an event for each index"
        for asset in task.inlets:
            used.setdefault(asset.name, set()).add(task.dag_id)
    loading = {dag.dag_id for dag in dags() if {"load_lane"} & {task.task_id for task in dag.tasks}}
    measuring = {dag.dag_id for dag in dags() if {"measure_quality"} & {task.task_id for task in dag.tasks}}
    assert made["market_data"] == {f"{dag_id}.publish_summary" for dag_id in loading}
    assert {name.partition(".")[0] for name in made["data_quality"]} == used["market_data"] == measuring
    assert used["data_quality"] == {"klines_health"}
    assert made["healthy_data"] == {"klines_health.publish_summary"}


@each_dag
def test_a_dag_is_named_after_its_file_and_bounded(dag: DAG) -> None:
    assert Path(dag.fileloc).stem == dag.dag_id
    assert dag.max_active_runs <= 2


@each_dag
def test_a_data_interval_is_never_of_zero_width(dag: DAG) -> None:
    if dag.schedule is not None:
        assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"
        assert dag.start_date is not None


@each_dag
def test_every_field_of_a_form_is_typed_and_explained(dag: DAG) -> None:
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.description, name
        assert {"type", "enum"} & set(param.schema), name


@each_dag
def test_a_dag_file_is_wiring_only(dag: DAG) -> None:
    source = Path(dag.fileloc).read_text()
    assert len(source.splitlines()) <= MOST_LINES
    forbidden = (ast.For, ast.While, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp, ast.Try)
    assert [node for node in ast.walk(ast.parse(source)) if isinstance(node, forbidden)] == []
    assert not re.search(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", source)


def test_a_load_without_airflow_does_not_import_it() -> None:
    modules = ("binance_plugin.client", *(f"include.klines.{name}" for name in WITHOUT_AIRFLOW))
    program = f"import sys, {', '.join(modules)}; sys.exit('airflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}, check=False
    )
    assert done.returncode == 0, "decision 27: a task finds Airflow imported, a script or notebook does not need it"


@each_dag
def test_parsing_a_dag_imports_nothing_heavy(dag: DAG, record_property: Any) -> None:
    measured = (
        "import json, runpy, sys, time, airflow.sdk, airflow.providers.common.sql.operators.sql\n"
        "before = set(sys.modules); start = time.process_time()\n"
        "runpy.run_path(sys.argv[1])\n"
        "seconds = time.process_time() - start\n"
        "print(json.dumps([seconds, sorted({m.partition('.')[0] for m in set(sys.modules) - before})]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, dag.fileloc],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, imported = json.loads(done.stdout.splitlines()[-1])
    record_property(f"parse seconds of {dag.dag_id}", seconds)
    sys.stdout.write(f"{dag.dag_id} parses in {seconds:.3f} s of CPU; the goal is under 0.5 s\n")
    assert not HEAVY & set(imported)


@each_task
def test_a_task_id_starts_with_a_verb(task: Any) -> None:
    assert task.task_id.partition("_")[0] in VERBS


@each_task
def test_a_task_is_retried_or_says_why_not(task: Any) -> None:
    assert (task.retries == 0) == (task.task_id in WITHOUT_RETRIES)
    assert task.retry_delay >= timedelta(seconds=1)


@each_task
def test_a_ban_is_waited_out_by_every_task_that_may_meet_one(task: Any) -> None:
    assert isinstance(task.retry_policy, ExchangeRetryPolicy)


@each_task
def test_a_free_slot_goes_to_a_lane_last(task: Any) -> None:
    lane = "lane" in task.task_id or task.task_id == "load_changed_files"
    is_work = lane and isinstance(task, MappedOperator)
    assert task.weight_rule == "absolute"
    assert task.priority_weight == (1 if is_work else 10)


@each_task
def test_a_task_ends_by_itself(task: Any) -> None:
    assert task.execution_timeout is not None
    assert task.execution_timeout <= timedelta(hours=12)


def test_every_mapped_task_is_named_after_what_it_works_on() -> None:
    mapped = {task.task_id: task for dag in dags() for task in dag.tasks if isinstance(task, MappedOperator)}
    assert set(mapped) == set(MAPPED)
    for task_id, task in mapped.items():
        arguments, name = MAPPED[task_id]
        one = task.unmap(arguments)
        template = task.get_dag().get_template_env().from_string(task.map_index_template)
        assert template.render(task=one) == name
