"""The words after `make run`: NAME=value pairs, checked before anything starts."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from include.klines.addresses import parse_address
from include.klines.errors import InvalidRequest
from include.klines.params import LAST_DAY, validate_load_request
from include.local import exchange_choice

LISTS = ("SYMBOLS", "TIMEFRAMES")
TEXTS = ("TIER", "START", "END", "SOURCE")
NUMBERS = ("LIMIT",)
RUN = ("EXCHANGE", "MARKET_DB_URL")
KNOWN = (*LISTS, *TEXTS, *NUMBERS, *RUN)
DEFAULT_SYMBOLS = ["BTC", "ETH"]
DEFAULT_TIMEFRAMES = ["1h", "1d"]


@dataclass(frozen=True)
class RunRequest:
    """What `make run` shall do: the exchange, the market database if one is given, and the params of the load."""

    exchange: str
    exchange_given: bool
    market_url: str | None
    params: dict[str, Any]


def parse(arguments: list[str], environment: dict[str, str]) -> RunRequest:
    """Read NAME=value pairs; EXCHANGE and MARKET_DB_URL may come from the environment. Raises InvalidRequest."""
    values = {name: environment[name].strip() for name in RUN if environment.get(name, "").strip()}
    for argument in arguments:
        name, separator, value = argument.partition("=")
        if not separator or name not in KNOWN:
            near = difflib.get_close_matches(name.upper(), KNOWN, 1)
            hint = f"did you mean {near[0]}=…?" if near else f"known are {', '.join(KNOWN)}."
            shown = "a word with an address" if "@" in argument else repr(argument)
            raise InvalidRequest(f"{shown} is not understood: {hint}")
        if value.strip():
            values[name] = value.strip()
    params = _params(values)
    # Airflow checks again with the exchange's clock; here a wrong clock of this machine must not refuse the past.
    clock = max(datetime.now(UTC), datetime.combine(LAST_DAY, datetime.min.time(), UTC) + timedelta(days=2))
    validate_load_request(params, clock=clock)
    asked = values.get("EXCHANGE", "auto")
    exchange_choice.check(asked)
    market_url = values.get("MARKET_DB_URL")
    if market_url:
        parse_address(market_url, "MARKET_DB_URL")
    return RunRequest(asked, asked != "auto", market_url, params)


def _params(values: dict[str, str]) -> dict[str, Any]:
    params: dict[str, Any] = {name.lower(): values[name] for name in TEXTS if name in values}
    for name in LISTS:
        if name in values:
            params[name.lower()] = _listed(name, values[name])
    for name in NUMBERS:
        if name in values:
            params[name.lower()] = int(values[name]) if re.fullmatch(r"[0-9]{1,9}", values[name]) else values[name]
    params.setdefault("timeframes", DEFAULT_TIMEFRAMES)
    if not params.keys() & {"symbols", "tier", "limit"}:
        params["symbols"] = DEFAULT_SYMBOLS
    if "symbols" in params:
        params["symbols"] = [symbol.upper() for symbol in params["symbols"]]
    return params


def _listed(name: str, value: str) -> list[str]:
    found = [part.strip() for part in value.split(",") if part.strip()]
    if not found:
        raise InvalidRequest(f"{name} is {value!r}, which names nothing: name some, or leave {name} out.")
    return found
