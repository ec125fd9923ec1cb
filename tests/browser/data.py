"""What the browser tests put into the system's database, and what they ask of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import requests
from axe_playwright_python.sync_playwright import Axe
from psycopg.conninfo import conninfo_to_dict

from include.klines.migrate import migrate
from include.klines.settings import READ_CONN_ID
from include.local.databases import name_database
from tests.coverage import content
from tests.exchange import Exchange
from tests.load.upkeep import Upkeep
from tests.polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.site import Site

HOSTILE = content.HOSTILE
SERIOUS = ("serious", "critical")


@dataclass(frozen=True)
class Hole:
    """The month in which SOL 1h misses most, as the page's API has it, its longest gap, all months."""

    month: str
    months: list[str]
    expected: int
    present: int
    gap: int


def ask(site: Site, path: str, **query: str) -> Any:
    """An answer of the page's API, as JSON."""
    login = {"username": site.user, "password": site.password}
    with requests.Session() as session:
        session.trust_env = False
        token = session.post(f"{site.url}/auth/token", json=login, timeout=30).json()["access_token"]
        answer = session.get(
            f"{site.url}/coverage/api/{path}", params=query, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
    assert answer.ok, answer.text
    return answer.json()


def fill(site: Site, *, months: int) -> None:
    """The last months of several pairs, with a hole, a hostile name and every other trouble that the page shows."""
    now = datetime.now(UTC).replace(microsecond=0)
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    with Exchange(now=now.isoformat()) as exchange, site.market_conn() as conn:
        content.fill(site.market, conn, exchange, start=f"{year}-{month + 1:02}-01", now=now)
    wait_until(lambda: bool(ask(site, "heatmap", timeframe="1h")["series"]), "the page's kept answers to be over")


def hole(site: Site) -> Hole:
    """Where SOL 1h misses most."""
    found = ask(site, "heatmap", timeframe="1h", q="SOL")
    [series] = [one for one in found["series"] if one["symbol"] == "SOL"]
    months = dict(zip(found["months"], series["cells"], strict=True))
    broken = {month: cell for month, cell in months.items() if isinstance(cell, list)}
    worst = max(broken, key=lambda month: broken[month][0] - broken[month][1])
    expected, present = broken[worst][:2]
    gap = max(one["missing"] for one in ask(site, "series/SOL/1h")["gaps"])
    return Hole(worst, list(months), expected, present, gap)


def missing(conn: psycopg.Connection, symbol: str, timeframe: str) -> int:
    """Candles in gaps that a load could fill and that began over a day ago."""
    row = conn.execute(
        """
        SELECT coalesce(sum(missing_records), 0) FROM data_gap
        WHERE symbol = %s AND timeframe = %s AND resolved_at IS NULL AND cause IN ('open', 'not_published')
            AND gap_end < now() - interval '1 day'
        """,
        (symbol, timeframe),
    ).fetchone()
    assert row is not None
    return int(row[0])


def many_symbols(site: Site) -> None:
    """450 series of 4h candles over 72 months, measured: a month in twenty has something missing."""
    with site.market_conn() as conn:
        conn.execute(
            """
            INSERT INTO symbol_listing (
                symbol, exchange_symbol, base_asset, quote_asset, tier, status, listed_at, synced_at
            )
            SELECT 'X' || n, 'X' || n || 'USDT', 'X' || n, 'USDT', 'extended', 'TRADING', '2020-01-01', now()
            FROM generate_series(0, 449) AS n
            """
        )
        conn.execute(
            """
            INSERT INTO data_quality (
                symbol, timeframe, period, date_range_start, date_range_end, expected_records, actual_records,
                missing_records, unfillable_records, completeness_percentage, adjusted_completeness_percentage,
                has_gaps, has_anomalies, checked_at
            )
            SELECT
                'X' || n, '4h', 'month', month, month + interval '1 month', 180, 180 - missing, missing, 0,
                100 * (180 - missing) / 180.0, 100 * (180 - missing) / 180.0, missing > 0, FALSE, now()
            FROM
                generate_series(0, 449) AS n,
                generate_series('2020-01-01'::timestamptz, '2025-12-01', '1 month') WITH ORDINALITY AS m (month, k),
                LATERAL (SELECT CASE WHEN (n * 7 + k) % 20 = 0 THEN (n + k) % 90 ELSE 0 END AS missing) AS holes
            """
        )
        conn.execute(
            "INSERT INTO historical_data_range SELECT 'X' || n, '4h', '2020-01-01', '2025-12-31 20:00', 12000, FALSE,"
            " now() FROM generate_series(0, 449) AS n"
        )
        conn.execute("ANALYZE data_quality, symbol_listing, historical_data_range")


def show_recordings(site: Site, recordings: Path) -> None:
    """Load the real recordings into a database of their own, and let the page read that one."""
    dsn = site.new_database("market_recorded")
    with psycopg.connect(dsn, autocommit=True) as conn:
        migrate(conn)
    name_database(dsn, "binance")
    symbols = ["BTC", "ETH", "SOL", "MATIC", "AVAX", "DOGE"]
    with Exchange(replay=recordings, now="2022-10-11T10:30:00Z") as exchange, psycopg.connect(dsn) as conn:
        conn.autocommit = True
        Upkeep(conn, exchange).load(symbols=symbols, timeframes=["1h", "1d"], start="2020-01-01", end="2022-10-10")
    stored = site.api.get(f"connections/{READ_CONN_ID}")
    body = {"connection_id": READ_CONN_ID, "conn_type": stored["conn_type"], "schema": conninfo_to_dict(dsn)["dbname"]}
    site.api.patch(f"connections/{READ_CONN_ID}", body, update_mask=["schema"])
    wait_until(lambda: ask(site, "overview")["database"] == "market_recorded", "the page to read the other database")


def assert_accessible(page: Page, what: str) -> None:
    """No serious finding of axe-core."""
    found = Axe().run(page).response["violations"]
    serious = [
        {"rule": one["id"], "help": one["help"], "where": [node["html"][:200] for node in one["nodes"][:3]]}
        for one in found
        if one["impact"] in SERIOUS
    ]
    assert serious == [], f"{what}: {json.dumps(serious, indent=1)}"
