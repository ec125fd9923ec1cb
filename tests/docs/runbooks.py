"""The page about the Dags, from their docstrings, forms and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.dags.bundle import dags, parse

if TYPE_CHECKING:
    from airflow.sdk import DAG

HEAD = """# The Dags

Written by `make docs` from the Dags themselves: their docstrings, forms and tasks. Airflow's UI shows the same text at
the head of each Dag's page.
"""


def page() -> str:
    """docs/dags.md; ValueError where a Dag cannot be parsed."""
    if parse().import_errors:
        raise ValueError(f"these Dags cannot be parsed: {parse().import_errors}")
    return "\n".join([HEAD, *(_section(dag) for dag in dags())])


def _section(dag: DAG) -> str:
    schedule = (
        f"`{dag.timetable.expression}` (UTC)" if dag.schedule is not None else "none: started from the UI or the CLI"
    )
    runbook = "\n".join(
        line.replace("### ", "", 1) if line.startswith("### ") else line
        for line in (dag.doc_md or "").strip().split("\n")
    )
    title, _, text = runbook.partition("\n")
    lines = [f"## {dag.dag_id}", "", f"**{title}**", "", f"Schedule: {schedule}. Tags: {', '.join(sorted(dag.tags))}."]
    lines += ["", text.strip()]
    if dag.params:
        lines += ["", "| field | values | default | meaning |", "|---|---|---|---|"]
        lines += [_field(name, dag.params.get_param(name)) for name in dag.params]
    lines += ["", "| task | tries | ends after | |", "|---|---|---|---|"]
    lines += [_task(task) for task in dag.topological_sort()]
    return "\n".join([*lines, ""])


def _field(name: str, param: Any) -> str:
    schema = param.schema
    choices = schema.get("enum") or schema.get("items", {}).get("enum") or schema.get("examples")
    kinds = schema.get("type", "")
    kind = " or ".join(kinds) if isinstance(kinds, list) else kinds
    values = (
        ", ".join(f"`{choice}`" for choice in choices) if choices and len(choices) <= 12 else _readable(kind, schema)
    )
    default = param.value
    shown = "" if default in (None, [], "") else f"`{', '.join(default) if isinstance(default, list) else default}`"
    return f"| `{name}` | {values} | {shown} | {_cell(param.description or '')} |"


def _readable(kind: str, schema: dict[str, Any]) -> str:
    return f"{schema['format']}" if schema.get("format") else kind.replace("array", "list").replace("null", "empty")


def _task(task: Any) -> str:
    hours = task.execution_timeout.total_seconds() / 3600
    return f"| `{task.task_id}` | {task.retries + 1} | {hours:g} h | {_mapped(task) if task.is_mapped else ''} |"


def _mapped(task: Any) -> str:
    """What a mapped task has one instance of, by the name of the argument that it is mapped over."""
    (argument,) = getattr(task, "op_kwargs_expand_input", task.expand_input).value
    return {"lane": "one a lane", "kind": "one a promise"}[argument]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
