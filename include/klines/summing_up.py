"""What the closing tasks have in common: which lanes ended well, what failed, and where the run's note is left."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)


def ended(context: Any, task_id: str, lanes: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The reports of a mapped task, and the names of the lanes that have none."""
    reports = [report for report in context["ti"].xcom_pull(task_ids=[task_id]) if report]
    done = {report["lane"] for report in reports}
    return reports, [lane["name"] for lane in lanes if lane["name"] not in done]


def lanes_failed(lost: Sequence[str], planned: int) -> str:
    """The sentence that fails a run of `planned` lanes; the note names more of them."""
    return f"{len(lost)} of {planned} lanes failed: {', '.join(lost[:20])}; clear them to go on."


def leave_note(context: Any, note: str) -> None:
    """Leave the note where the plugin run_notes finds it, and in the log."""
    context["ti"].xcom_push(key="note", value=note)
    log.info("%s", note)
