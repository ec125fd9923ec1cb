"""`python -m tests.dags.run_once DAG_ID JSON [LOGICAL_DATE]`: one run of a Dag of the bundle, in this process.

Prints how it ended. A scheduled Dag's data interval is the last one before the logical date (ISO, UTC; default: now).
"""

from __future__ import annotations

import importlib
import json
import sys
from datetime import datetime
from typing import Any

from airflow.sdk import DAG


def main(dag_id: str, params: str, logical_date: str = "") -> None:
    """Run it with retries off and print {state, tasks, note} as the last line."""
    module = importlib.import_module(f"dags.{dag_id}")
    dag = next((value for value in vars(module).values() if isinstance(value, DAG)), None) or vars(module)[dag_id]()
    for task in dag.tasks:
        task.retries = 0
    dag.deadline = None  # dag.test() of Airflow 3.3.2 looks deadlines up by ids that only the scheduler's Dags have
    when: dict[str, Any] = {"logical_date": datetime.fromisoformat(logical_date)} if logical_date else {}
    run = dag.test(run_conf=json.loads(params), **when)
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        instances = session.scalars(select(TaskInstance).where(TaskInstance.run_id == run.run_id)).all()
        names = {
            i: i.rendered_map_index or (i.task_id if i.map_index < 0 else f"{i.task_id} {i.map_index}")
            for i in instances
        }
        tasks = {names[instance]: str(instance.state) for instance in instances}
        note = session.scalar(select(XComModel).where(XComModel.run_id == run.run_id, XComModel.key == "note"))
        text = XComModel.deserialize_value(note) if note else ""
    print(json.dumps({"state": str(run.state), "tasks": tasks, "note": text}))


if __name__ == "__main__":
    main(*sys.argv[1:])
