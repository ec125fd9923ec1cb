"""Writes the report into a folder or an object store, and mails it where mail is on."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.klines.coverage.report import page
from include.klines.coverage.report.gathering import gather
from include.klines.health import alerts
from include.klines.percent import shown

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from include.klines.coverage.report.gathering import Report

log = logging.getLogger(__name__)


def publish(conn: psycopg.Connection, clock: datetime, folder: str, *, by_mail: bool) -> dict[str, Any]:
    """Write the report of `clock`, and mail it if that is asked for and mail is on. A second run replaces the file.

    Returns its address, and whether it was mailed.
    """
    report = gather(conn, clock)
    text = page.render(report)
    place = write(text, name(clock), folder)
    mailed = by_mail and mail(report, text)
    log.info("report: %s%s", place, ", mailed" if mailed else "")
    return {"report": place, "mailed": mailed}


def name(clock: datetime) -> str:
    """The file of a day."""
    return f"klines-coverage-{clock:%Y-%m-%d}.html"


def write(text: str, file: str, folder: str) -> str:
    """Put the page into the folder (file:///… or an object store); returns its address."""
    from airflow.sdk import ObjectStoragePath

    root = ObjectStoragePath(folder)
    root.mkdir(parents=True, exist_ok=True)
    path = root / file
    path.write_bytes(text.encode())
    return str(path)


def mail(report: Report, text: str) -> bool:
    """Send the page as an attachment, with its first lines as the text; False where no mail is set up."""
    row = report.completeness(365)
    complete = f"{shown(row['adjusted'])} complete over 365 days" if row else "nothing is measured yet"
    prefix = "SIMULATED: " if report.simulated else ""
    alert = alerts.Alert(f"klines: {prefix}{complete}", "\n".join(report.changes), good=True)
    with tempfile.TemporaryDirectory() as folder:
        attached = Path(folder) / name(report.clock)
        attached.write_text(text, encoding="utf-8")
        return alerts.mail(alert, (str(attached),))
