"""The pool and the connections of the contract, created once and afterwards owned by whoever edits them in the UI.

The runtime keeps only what it decides up to date: the exchange's addresses when EXCHANGE changes, and the market
database's address and login. Pacing and every other setting stay as they were edited.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import conninfo_to_dict

from include.klines.settings import BINANCE_CONN_ID, MARKET_CONN_ID, POOL, POOL_SLOTS, READ_CONN_ID

if TYPE_CHECKING:
    from include.local.airflow_api import AirflowApi
    from include.local.exchange_choice import ExchangeChoice
    from include.local.state import State

RECORD = "connections"
ADDRESSES = ("archive_url", "archive_list_url")
PACING = {"request_interval": 0.2, "burst_size": 20, "burst_pause": 2, "retries": 3}
"""The defaults of plugins/binance_plugin/settings.py, for the form to show: a test holds both to the same."""


def prepare(
    api: AirflowApi, state: State, exchange: ExchangeChoice, market: str, *, chosen: bool, reader: str | None = None
) -> list[str]:
    """Create or update pool and connections; returns sentences about what was kept or changed.

    `chosen` says that EXCHANGE was given in this run; else an address edited in the UI is kept. `reader` is the market
    database's address for those who only read (default: the one for loads; their sessions are read-only in any case).
    """
    api.post(
        "pools", {"name": POOL, "slots": POOL_SLOTS, "description": "Tasks that ask Binance", "include_deferred": False}
    )
    notes = _binance(api, state, exchange, chosen=chosen)
    _market(api, MARKET_CONN_ID, market, "The market database")
    _market(api, READ_CONN_ID, reader or market, "The market database for the Coverage page, as a role that reads")
    return notes


def _binance(api: AirflowApi, state: State, exchange: ExchangeChoice, *, chosen: bool) -> list[str]:
    addresses = {"archive_url": exchange.archive_url, "archive_list_url": exchange.archive_list_url}
    wanted = {
        "connection_id": BINANCE_CONN_ID,
        "conn_type": "http",
        "host": exchange.rest_url,
        "description": "Binance market data; its form explains each setting",
        "extra": json.dumps(addresses | PACING),
    }
    recorded = state.read(RECORD)
    state.write(RECORD, {"host": exchange.rest_url, **addresses})
    if api.post("connections", wanted) is not None:
        return []
    stored = api.get(f"connections/{BINANCE_CONN_ID}")
    extra = _extra(stored)
    current = {"host": stored.get("host"), **{name: extra.get(name) for name in ADDRESSES}}
    if current == {"host": exchange.rest_url, **addresses}:
        return []
    if recorded and current != recorded and not chosen and not exchange.simulated:
        state.write(RECORD, recorded)
        return [f"{BINANCE_CONN_ID} was edited in the UI and is used as it is: {current['host']}"]
    body = stored | {"host": exchange.rest_url, "extra": json.dumps(extra | addresses)}
    _patch(api, body, "host", "extra")
    return [f"{BINANCE_CONN_ID} now points to {exchange.rest_url} (before: {current['host']})"]


def _market(api: AirflowApi, conn_id: str, address: str, description: str) -> None:
    options = conninfo_to_dict(address)
    body: dict[str, Any] = {
        "connection_id": conn_id,
        "conn_type": "postgres",
        "host": options.pop("host", "localhost"),
        "port": int(options.pop("port", 5432) or 5432),
        "schema": options.pop("dbname", None),
        "login": options.pop("user", None),
        "password": options.pop("password", None),
        "description": description,
        "extra": json.dumps(options) if options else None,
    }
    if api.post("connections", body) is not None:
        return
    stored = api.get(f"connections/{conn_id}")
    merged = json.dumps(_extra(stored) | options)
    _patch(api, body | {"extra": merged}, "host", "port", "schema", "login", "password", "extra")


def _extra(stored: dict[str, Any]) -> dict[str, Any]:
    try:
        extra = json.loads(stored.get("extra") or "{}")
    except ValueError:
        return {}
    return extra if isinstance(extra, dict) else {}


def _patch(api: AirflowApi, body: dict[str, Any], *fields: str) -> None:
    known = ("connection_id", "conn_type", "description", "host", "login", "schema", "port", "password", "extra")
    api.patch(
        f"connections/{body['connection_id']}",
        {name: body[name] for name in known if body.get(name) is not None},
        update_mask=list(fields),
    )
