"""Healthy or not, in one answer for load balancers and uptime checks: the checks of klines_health, asked now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.klines.health import checks
from include.klines.health.late_runs import LATE_RUN

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

NAMED = 5
"""So many series are named for each broken promise; the overview has them all."""


@dataclass(frozen=True)
class Health:
    """What is wrong, by check: sentences; nothing where all is well."""

    reasons: dict[str, list[str]]
    empty: bool

    @property
    def healthy(self) -> bool:
        """Whether every promise holds."""
        return not any(self.reasons.values())

    def as_dict(self, clock: datetime) -> dict[str, Any]:
        """`{status, reasons, checks, as_of}`; an empty database is healthy, and says so."""
        answer: dict[str, Any] = {
            "status": "healthy" if self.healthy else "unhealthy",
            "reasons": [reason for found in self.reasons.values() for reason in found],
            "checks": {name: "broken" if found else "held" for name, found in self.reasons.items()},
            "as_of": clock,
        }
        if self.empty:
            answer["note"] = "Nothing is stored yet, so nothing is promised: run klines_initial_load."
        return answer


def ask(conn: psycopg.Connection, clock: datetime) -> Health:
    """Run every check at `clock`; what it finds is told, not written down: that is klines_health's business."""
    reasons = {}
    for kind in checks.KINDS:
        verdict = checks.check(conn, kind, clock)
        reasons[kind] = [_sentence(verdict)] if verdict.findings else []
    late = [miss for miss in checks.open_misses(conn) if miss["what"].startswith(LATE_RUN)]
    reasons["deadlines"] = [f"{miss['what']}: {miss['detail']}" for miss in late]
    return Health(reasons, checks.is_empty(conn))


def _sentence(verdict: checks.Verdict) -> str:
    shown = [
        " ".join(filter(None, (finding.series, finding.measure, f"({finding.cause})")))
        for finding in verdict.findings[:NAMED]
    ]
    more = len(verdict.findings) - len(shown)
    return f"{verdict.headline}: {'; '.join(shown)}{f' and {more:,} more' if more else ''}. {verdict.mend}"
