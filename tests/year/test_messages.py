"""How messages are read and which ones are expected: what would go unnoticed if it were wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from include.klines.health.checks import Finding, Verdict
from tests.year import checks, messages
from tests.year.calendar import FORMS, at, series
from tests.year.messages import Told
from tests.year.world import Received

MARCH = FORMS[30]
NOON = at("2026-03-20 12:00")


def received(verdict: Verdict, *news: str) -> Received:
    alert = verdict.alert(*news)
    return Received(NOON + timedelta(minutes=3), alert.subject, alert.text)


def test_a_message_is_read_as_what_it_is_about_and_which_series_it_names() -> None:
    short = Verdict(
        "completeness",
        "completeness is below 99 % for 2 series",
        (
            Finding("LINK", "1h", "96 percent of 30 days", "missing 26 open"),
            Finding("ETH", "1d", "9", "missing 1 open"),
        ),
        "airflow dags trigger klines_weekly_gap_fill",
    )
    assert messages.read([received(short, "Cleared: BTC 4h.")]) == [
        Told(NOON, "completeness", ("ETH 1d", "LINK 1h"), ("BTC 4h",))
    ]
    assert messages.read([received(Verdict("ban"), "Cleared: ban.")]) == [Told(NOON, "ban", (), ("",))]


def test_a_lasting_state_is_expected_daily_and_once_when_it_clears() -> None:
    mornings = [at("2026-03-17 06:00") + timedelta(days=day) for day in range(7)]
    link = series("LINK", ("1h",))
    of_link = [
        told for told in messages.expected(MARCH, mornings) if set(told.broken) == link or set(told.cleared) == link
    ]
    assert [told.at.day for told in of_link] == [18, 19, 20, 21, 22]
    assert [bool(told.cleared) for told in of_link] == [False, False, False, False, True]


def test_what_is_sent_too_much_or_not_at_all_or_at_another_hour_is_a_difference() -> None:
    told = Told(NOON, "ban", ("",))
    assert list(checks.sent([told], [told])) == []
    assert len(list(checks.sent([told], []))) == 1
    assert len(list(checks.sent([], [told]))) == 1
    assert len(list(checks.sent([replace(told, at=NOON + timedelta(hours=1))], [told]))) == 2
    assert len(list(checks.sent([told, told], [told]))) == 1, "twice is once too often"
