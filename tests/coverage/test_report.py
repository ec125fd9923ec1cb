"""The report: one file with everything in it, the same in a terminal, written and mailed by the weekly Dag."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
from rich.console import Console

from include.klines.coverage import store, tasks
from include.klines.coverage.report import drawing, page, terminal, weekly
from include.klines.coverage.report.gathering import Report, changes, gather
from tests.coverage.conftest import clock
from tests.coverage.content import HOSTILE
from tests.receivers import mail_connection, open_mailbox

VOID = {"meta", "br", "img", "link"}


@pytest.fixture(scope="module")
def report(postgres_server: object, stored: str) -> Report:
    """The report of the database with content, as of the exchange's clock."""
    with store.read_connection(postgres_server.dsn(stored, "backtester")) as conn:  # type: ignore[attr-defined]  # TestServer
        return gather(conn, clock())


class Outline(HTMLParser):
    """Tags, their attributes and texts of a page; every tag has to be closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def outline(text: str) -> Outline:
    found = Outline()
    found.feed(text)
    assert found.open == []
    return found


def test_the_page_needs_nothing_else_and_runs_nothing(report: Report) -> None:
    text = page.render(report)
    found = outline(text)
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    names = {name for _, attributes in found.tags for name in attributes}
    assert not {name for name in names if name in ("src", "href") or name.startswith("on")}
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_the_page_tells_totals_changes_promises_the_worst_and_every_series(report: Report) -> None:
    text = page.render(report)
    words = " ".join(outline(text).texts)
    assert "SIMULATED" in words
    assert f"{report.overview['totals']['candles']:,}" in words
    for heading in (
        "Since last week",
        "Broken promises",
        "The worst series",
        "1h: series by month",
        "1d: series by month",
    ):
        assert heading in words
    assert "SOL 1h" in words
    assert HOSTILE in words, "as text"
    assert "<script" not in text.lower()


def test_every_state_of_a_month_has_a_colour_and_a_sign() -> None:
    cells = {
        None: None,
        -1: "not loaded",
        720: "complete",
        (720, 720, 0, 0, 0, 0, 0, 1): "complete",
        (720, 719, 1, 0, 0, 0, 0, 0): "exchange outage",
        (720, 300, 1, 419, 0, 0, 0, 0): "suspended",
        (720, 718, 0, 0, 2, 0, 0, 0): "not published",
        (720, 0, 0, 0, 0, 720, 0, 0): "pruned",
        (10_000, 9_999, 0, 0, 0, 0, 1, 0): "over 99.9 %",
        (720, 716, 0, 0, 0, 0, 4, 0): "over 99 %",
        (720, 700, 0, 0, 0, 0, 20, 0): "over 90 %",
        (720, 400, 0, 0, 0, 0, 320, 0): "over 50 %",
        (720, 0, 0, 0, 0, 0, 720, 0): "50 % or less",
    }
    for cell, expected in cells.items():
        assert drawing.state(list(cell) if isinstance(cell, tuple) else cell) == expected
    assert set(terminal.SIGNS) == {*drawing.COLOURS, None}
    assert len(set(drawing.COLOURS.values())) == len(drawing.COLOURS)


def test_a_row_draws_each_listed_month_once(report: Report) -> None:
    (hourly,) = [drawn for drawn in report.heatmaps if drawn["timeframe"] == "1h"]
    svg = drawing.heatmap(hourly)
    widths = [int(width) + 1 for width in re.findall(r'<rect [^>]*width="(\d+)"', svg)]
    listed = sum(cell is not None for one in hourly["series"] for cell in one["cells"])
    assert sum(widths) == listed * drawing.CELL


def test_a_week_is_told_in_sentences(postgres_server: object, stored: str) -> None:
    with store.read_connection(postgres_server.dsn(stored, "backtester")) as conn:  # type: ignore[attr-defined]  # TestServer
        told = changes(conn, clock() - timedelta(days=7), clock() + timedelta(days=3650))
        quiet = changes(conn, clock() - timedelta(days=800), clock() - timedelta(days=799))
    assert told[0].endswith("candles are new, 3 were revised by the exchange.")
    assert any("gaps were found" in line for line in told)
    assert any("promises were broken" in line for line in told)
    assert quiet == [
        "0 candles are new, 0 were revised by the exchange.",
        "0 requests were sent, 0 windows failed.",
    ]


def test_the_terminal_tells_the_same_without_colour_where_it_is_none(report: Report) -> None:
    plain, coloured = io.StringIO(), io.StringIO()
    terminal.show(Console(file=plain, width=160), report)
    terminal.show(Console(file=coloured, width=160, force_terminal=True), report)
    text = plain.getvalue()
    assert "\x1b[" not in text
    assert "\x1b[" in coloured.getvalue()
    assert f"{report.overview['totals']['candles']:,} candles" in text
    assert "365 days:" in text
    assert "broken: completeness SOL 1h" in text
    assert HOSTILE[:12] in text
    assert terminal.LEGEND in text


def test_it_is_written_and_mailed_where_mail_is_on(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page.render(report)
    place = weekly.write(text, weekly.name(report.clock), (tmp_path / "reports").as_uri())
    assert place.endswith("/reports/klines-coverage-2026-01-15.html")
    assert (tmp_path / "reports" / "klines-coverage-2026-01-15.html").read_text(encoding="utf-8") == text
    assert weekly.mail(report, text) is False, "no mail is set up"
    with open_mailbox() as mailbox:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(mail_connection(mailbox.port, to="ann@example.com")))
        assert weekly.mail(report, text) is True
        ((to, message),) = mailbox.mails
    assert to == ["ann@example.com"]
    assert message["Subject"].startswith("klines: SIMULATED: ")
    (attached,) = [part for part in message.walk() if part.get_filename()]
    assert attached.get_filename() == "klines-coverage-2026-01-15.html"
    assert attached.get_payload(decode=True).decode() == text


@pytest.mark.parametrize("run_type", ["scheduled", "manual", "backfill"])
def test_every_run_writes_it_and_only_a_scheduled_one_mails_it(
    postgres_server: object, stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_type: str
) -> None:
    monkeypatch.setattr(tasks, "REPORTS", tmp_path.as_uri())
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", postgres_server.dsn(stored))  # type: ignore[attr-defined]  # TestServer
    ends = clock()
    run = SimpleNamespace(
        run_type=run_type, logical_date=ends, data_interval_start=ends - timedelta(days=7), data_interval_end=ends
    )
    with open_mailbox() as mailbox:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(mail_connection(mailbox.port, to="ann@example.com")))
        done = tasks.publish_report({"dag_run": run})
    assert Path(unquote(urlsplit(done["report"]).path)).is_file()
    assert len(mailbox.mails) == done["mailed"] == (run_type == "scheduled")
