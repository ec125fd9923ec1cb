"""Syncs the universe of a simulated exchange for the tests of listings, and reads back what was stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from binance_plugin.client import BinanceClient
from include.klines.universe.listings import SyncReport, sync_universe
from include.klines.universe.selection import Listing, fetch_listings

if TYPE_CHECKING:
    import psycopg

    from tests.exchange import Exchange


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def client_at(exchange: Exchange, **settings: Any) -> BinanceClient:
    return BinanceClient.from_url(exchange.url, request_interval=0.0, burst_pause=0.0, sleep=lambda _: None, **settings)


def sync(exchange: Exchange, conn: psycopg.Connection, **options: Any) -> SyncReport:
    return sync_universe(client_at(exchange), conn, **options)


def rows_of(conn: psycopg.Connection, symbol: str) -> list[Listing]:
    with conn.transaction():
        return [row for row in fetch_listings(conn) if row.symbol == symbol]


def windows_of(conn: psycopg.Connection, symbol: str) -> list[tuple[datetime, datetime | None]]:
    """(listed_at, delisted_at) of each asset under the ticker that is dated, in order of time."""
    return [(row.listed_at, row.delisted_at) for row in rows_of(conn, symbol) if row.listed_at is not None]


def show(exchange: Exchange, **statuses: str) -> None:
    """Let exchangeInfo show these statuses, and no other pair that the simulated exchange would."""
    exchange.clear_faults()
    lines = [
        {
            "symbol": f"{base}USDT",
            "baseAsset": base,
            "quoteAsset": "USDT",
            "status": status,
            "isSpotTradingAllowed": True,
        }
        for base, status in statuses.items()
    ]
    exchange.fault("status", status=200, kind="exchangeInfo", body=json.dumps({"symbols": lines}))


def refuse_weeks(exchange: Exchange) -> None:
    """Let the exchange have no candles of a week, like one that is not quite Binance."""
    body = json.dumps({"code": -1120, "msg": "Invalid interval."})
    exchange.fault("status", status=400, kind="klines", interval="1w", body=body)
