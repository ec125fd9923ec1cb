"""Plays a form of the year in an environment that is set up (see __main__), and says what was not as it should be."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from include.klines.database import prepare
from tests.exchange import Exchange
from tests.load.upkeep import Upkeep
from tests.receivers import chat_connection, open_chat
from tests.year import checks, messages
from tests.year.calendar import FORMS, HEALTH, MARKET
from tests.year.runs import Dags
from tests.year.timeline import Timeline
from tests.year.world import World

if TYPE_CHECKING:
    from datetime import datetime

    from tests.receivers import Chat
    from tests.year.calendar import Period

SHOWN = 40


@dataclass(frozen=True)
class Stage:
    """Where it is played: a form of FORMS, the exchange, two empty market databases, and the chat."""

    days: int
    exchange: Exchange
    market: str
    undisturbed: str
    chat: type[Chat]

    @property
    def period(self) -> Period:
        return FORMS[self.days]


def play(stage: Stage) -> int:
    """Play it, check it, print it; 0 where all is as it should be."""
    console = Console(highlight=False, width=140)
    began = time.monotonic()
    for fact in MARKET:
        fact.make(stage.exchange)
    with psycopg.connect(stage.market) as conn, psycopg.connect(stage.undisturbed) as other:
        world = World(stage.exchange, prepare(conn), stage.chat, stage.period.begin)
        world.nobody_waits()
        world.move_to(stage.period.begin)
        with Progress(
            TextColumn("[bold]{task.description}"), BarColumn(), TextColumn("{task.fields[last]}"), TimeElapsedColumn(),
            console=console,
        ) as bar:  # fmt: skip
            task = bar.add_task(f"{stage.period.begin:%Y-%m-%d}", total=stage.days, last="initial load")

            def show(moment: datetime, what: str) -> None:
                bar.console.print(f"{moment:%Y-%m-%d %H:%M}  {what}")

            timeline = Timeline(world, Dags(), stage.period, show)
            for moment in timeline.play():
                done = (moment - stage.period.begin).total_seconds() / 86_400
                last = f"{len(timeline.runs)} runs, {len(world.received)} messages"
                bar.update(task, completed=done, description=f"{moment:%Y-%m-%d}", last=last)
        played = time.monotonic() - began
        until = world.now.replace(hour=0, minute=0, second=0, microsecond=0)
        Upkeep(prepare(other), stage.exchange).load(
            start=stage.period.load_start, end=f"{stage.period.last_day:%Y-%m-%d}"
        )
        told = messages.read(world.received)
        should = messages.expected(stage.period, [run.due for run in timeline.runs if run.dag_id == HEALTH])
        wrong = {
            "runs": list(checks.promised_runs(timeline)),
            "completeness": list(checks.complete(conn, stage.period)),
            "candles": list(checks.same_rows(conn, other, until)),
            "messages": list(checks.sent(told, should)),
            "sla_miss": list(checks.written(conn, stage.period)),
            "status tables": checks.honest(conn, world.deleted),
        }
        summary = _summary(stage, timeline, conn, len(told), len(should))
        wrong["candles from cold storage"] = list(checks.brought_back(conn, stage.period, world.now))
        wrong["candles from cold storage"] += checks.same_rows(conn, other, until)
        for name, sentences in wrong.items():
            summary.add_row(name, f"[red]{len(sentences)} differences" if sentences else "[green]as it should be", "")
        console.print(_messages(told, set(should)))
        console.print(summary)
    for name, sentences in wrong.items():
        for sentence in sentences[:SHOWN]:
            console.print(f"[red]{name}:[/red] {sentence}", soft_wrap=True)
        if len(sentences) > SHOWN:
            console.print(f"[red]{name}:[/red] and {len(sentences) - SHOWN} more")
    console.print(f"{stage.days} days in {time.monotonic() - began:.0f} s ({played:.0f} s of them the runs).")
    return int(any(wrong.values()))


def _messages(told: list[messages.Told], should: set[messages.Told]) -> Table:
    table = Table("message", "", title="What was told")
    for each in told:
        table.add_row(str(each), "" if each in should else "[red]should not be")
    return table


def _summary(stage: Stage, timeline: Timeline, conn: psycopg.Connection, told: int, should: int) -> Table:
    good, bad = timeline.ended("success"), timeline.ended("failed")
    (candles, series, pruned, revisions) = conn.execute(
        """SELECT (SELECT count(*) FROM market_data), (SELECT count(*) FROM historical_data_range),
        (SELECT coalesce(sum(missing_records), 0) FROM data_gap WHERE cause = 'pruned' AND resolved_at IS NULL),
        (SELECT count(*) FROM market_data_revision)"""
    ).fetchone() or (0, 0, 0, 0)
    table = Table("", "is", "should be", title=f"{stage.days} days")
    for dag_id in sorted({*good, *bad}):
        number = timeline.promised(dag_id)
        red = f", {bad[dag_id]} red" if bad[dag_id] else ""
        table.add_row(f"runs of {dag_id}", f"{good[dag_id] + bad[dag_id]}{red}", str(number or "once a day"))
    table.add_row("task tries", f"{sum(run.tries for run in timeline.runs):,}", "")
    table.add_row("candles", f"{candles:,} of {series} series", "as undisturbed")
    table.add_row("revisions, pruned candles", f"{revisions:,}, {pruned:,}", "")
    for (cause, timeframe), number in sorted(checks.holes(conn, stage.period).items()):
        table.add_row(f"missing {timeframe}: {cause}", str(number), str(stage.period.holes.get((cause, timeframe), 0)))
    table.add_row("messages", str(told), str(should))
    return table


def main(days: str) -> int:
    """Open the exchange and the chat, and play."""
    begin = FORMS[int(days)].begin
    with Exchange(now=begin, weight_clock="virtual", process=True) as exchange, open_chat() as chat:
        quick = {"request_interval": 0, "burst_pause": 0}
        binance = {"conn_type": "http", "host": exchange.url, "extra": quick}
        os.environ["AIRFLOW_CONN_BINANCE_DEFAULT"] = json.dumps(binance)
        os.environ["AIRFLOW_CONN_APPRISE_DEFAULT"] = json.dumps(chat_connection(chat.port))
        market, undisturbed = os.environ["AIRFLOW_CONN_MARKET_DB"], os.environ["YEAR_UNDISTURBED"]
        return play(Stage(int(days), exchange, market, undisturbed, chat))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
