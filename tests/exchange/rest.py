"""The REST part: /api/v3/ping, time, exchangeInfo and klines, with Binance's checks and error codes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Protocol

from tests.exchange.answers import Request, Response, error, json_answer
from tests.exchange.candles import INTERVALS, UNITS
from tests.exchange.series import Series

if TYPE_CHECKING:
    from tests.exchange.market import Market
    from tests.exchange.universe import Pair

WEIGHTS = {"ping": 1, "time": 1, "exchangeInfo": 20, "klines": 2}

_NUMBER = re.compile(r"\d{1,20}")
_SYMBOL = re.compile(r"(?:(?![a-z\s])[\w\-.]){1,50}")
_SYMBOLS_RANGE = "^[\\\\w\\\\-._&&[^a-z]]{1,50}$"


class RestSource(Protocol):
    """What the REST part answers from."""

    def listed(self, now: int) -> list[dict[str, Any]]:
        """The entries of exchangeInfo at `now` (seconds)."""

    def has(self, symbol: str, now: int) -> bool:
        """Whether klines of the pair can be asked for."""

    def klines(self, symbol: str, interval: str, start: int | None, end: int | None, limit: int, now: int) -> bytes:
        """One page: candles that open in [start, end] (milliseconds) as JSON."""


class SimulatedRest:
    """The simulated market's REST side."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def listed(self, now: int) -> list[dict[str, Any]]:
        """The entries of exchangeInfo at `now` (seconds)."""
        return [symbol_entry(pair, now) for pair in self._market.visible(now)]

    def has(self, symbol: str, now: int) -> bool:
        """Whether klines of the pair can be asked for."""
        return self._market.pair(symbol, now) is not None

    def klines(self, symbol: str, interval: str, start: int | None, end: int | None, limit: int, now: int) -> bytes:
        """One page: candles that open in [start, end] (milliseconds) as JSON."""
        first = None if start is None else -(-start // 1000)
        last = None if end is None else end // 1000
        return self._market.rest(symbol, interval, first, last, limit, now)


def symbol_entry(pair: Pair, now: int) -> dict[str, Any]:
    """One entry of exchangeInfo, in the shape since 2024 (`permissions` empty, `permissionSets` instead)."""
    status = pair.status_at(now)
    series = Series(pair, len(pair.lives) - 1)
    tick, step = (f"{units // UNITS}.{units % UNITS:08d}" for units in (series.tick, series.step))
    entry: dict[str, Any] = {
        "symbol": pair.symbol,
        "status": status,
        "baseAsset": pair.base,
        "baseAssetPrecision": 8,
        "quoteAsset": pair.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": status == "TRADING",
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "922327.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000000000.00000000", "stepSize": step},
        ],
        "permissions": [],
        "permissionSets": [["SPOT", "LEVERAGED"] if pair.leveraged else ["SPOT", "MARGIN", "TRD_GRP_004"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }
    if pair.malformed:
        del entry["baseAsset"]
    return entry


def answer(request: Request, source: RestSource, *, now: float, skew: float, weight_limit: int) -> Response:
    """The answer to a REST request; `now` is the exchange's clock in seconds, `skew` what it misstates it by."""
    if request.kind == "ping":
        return json_answer({})
    if request.kind == "time":
        return json_answer({"serverTime": int((now + skew) * 1000)})
    if request.kind == "exchangeInfo":
        return _exchange_info(request, source, now, skew, weight_limit)
    return _klines(request, source, int(now))


def _exchange_info(request: Request, source: RestSource, now: float, skew: float, weight_limit: int) -> Response:
    entries = source.listed(int(now))
    wanted: list[str] | None = None
    if "symbols" in request.params:
        if "symbol" in request.params:
            return error(-1128, "Combination of optional parameters invalid.")
        try:
            wanted = [str(name) for name in json.loads(request.params["symbols"])]
        except (ValueError, TypeError):
            return error(-1100, "Illegal characters found in parameter 'symbols'; legal range is a JSON list of names.")
    elif "symbol" in request.params:
        wanted = [request.params["symbol"]]
    if wanted is not None:
        by_name = {entry.get("symbol"): entry for entry in entries}
        if any(name not in by_name for name in wanted):
            return error(-1121, "Invalid symbol.")
        entries = [by_name[name] for name in wanted]
    if request.params.get("showPermissionSets", "true").lower() == "false":
        entries = [{**entry, "permissionSets": []} for entry in entries]
    return json_answer(
        {
            "timezone": "UTC",
            "serverTime": int((now + skew) * 1000),
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight_limit},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
                {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
            ],
            "exchangeFilters": [],
            "symbols": entries,
        }
    )


def _klines(request: Request, source: RestSource, now: int) -> Response:
    params = request.params
    for name in ("symbol", "interval"):
        if not params.get(name):
            return error(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    if not _SYMBOL.fullmatch(params["symbol"]):
        return error(-1100, f"Illegal characters found in parameter 'symbol'; legal range is '{_SYMBOLS_RANGE}'.")
    numbers: dict[str, int] = {}
    for name in ("startTime", "endTime", "limit"):
        if name in params:
            if not _NUMBER.fullmatch(params[name]):
                legal = "^[0-9]{1,20}$"
                return error(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
            numbers[name] = int(params[name])
    if numbers.get("limit") == 0:
        return error(-1100, "Illegal characters found in parameter 'limit'; legal range is '1 to 1000'.")
    if params["interval"] not in INTERVALS:
        return error(-1120, "Invalid interval.")
    if not source.has(params["symbol"], now):
        return error(-1121, "Invalid symbol.")
    limit = min(numbers.get("limit", 500), 1000)
    body = source.klines(
        params["symbol"], params["interval"], numbers.get("startTime"), numbers.get("endTime"), limit, now
    )
    return Response(200, body)
