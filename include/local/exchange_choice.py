"""EXCHANGE=auto|binance|simulated|http://host:port: which exchange a run uses, and into which database it may write."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import requests

from include.klines.errors import InvalidRequest
from include.local.errors import LocalRunError

NAMES = ("auto", "binance", "simulated")
PROBE_TIMEOUT = (3.05, 5)
PROBE_SECONDS = 12
ANNOUNCEMENT = "X-Simulated-Candles"
"""A response header of a ping: this exchange invents its candles."""


@dataclass(frozen=True)
class ExchangeChoice:
    """The addresses of a run's exchange. For the simulated one of this runtime they are filled in when it runs."""

    kind: Literal["binance", "simulated", "server"]
    rest_url: str
    archive_url: str
    archive_list_url: str
    reason: str = ""

    @property
    def simulated(self) -> bool:
        """Whether candles are invented: they go into `market_sim`."""
        return self.kind == "simulated"

    def at(self, url: str) -> ExchangeChoice:
        """The same choice with REST, archive and listing at one address."""
        return ExchangeChoice(self.kind, url, url, url, self.reason)


BINANCE = ExchangeChoice(
    "binance",
    rest_url="https://data-api.binance.vision",
    archive_url="https://data.binance.vision",
    archive_list_url="https://s3-ap-northeast-1.amazonaws.com/data.binance.vision",
)
"""The defaults of plugins/binance_plugin/settings.py, which `make run` cannot import: a test holds both to the same."""


def choose(asked: str, *, was_real: bool = False) -> ExchangeChoice:
    """Decide for `asked`; probes Binance where it must. Raises InvalidRequest, or LocalRunError where none answers.

    `was_real`: the system loads real candles already, so `auto` must not take it to invented ones in passing.
    """
    if asked == "simulated":
        return ExchangeChoice("simulated", "", "", "", "EXCHANGE=simulated asks for it")
    if asked in ("auto", "binance"):
        trouble = why_unreachable()
        if trouble is None:
            return BINANCE
        if asked == "binance":
            raise LocalRunError(
                f"Binance cannot be used from here: {trouble}. "
                "Try later; EXCHANGE=simulated tries the system without it."
            )
        if was_real:
            raise LocalRunError(
                f"Binance cannot be used from here: {trouble}. Nothing was changed, and what is stored stays: "
                "try again later, or ask for invented candles with EXCHANGE=simulated."
            )
        return ExchangeChoice("simulated", "", "", "", f"Binance cannot be used from here: {trouble}")
    url, host = _address(asked)
    trouble, invented = _ask(f"{url}/api/v3/ping")
    if trouble:
        raise LocalRunError(f"EXCHANGE cannot be used: {trouble}.")
    if invented:
        return ExchangeChoice("simulated", url, url, url, f"The exchange at {host} announces invented candles")
    return ExchangeChoice("server", url, url, url)


def check(asked: str) -> None:
    """Raise InvalidRequest where EXCHANGE is neither a known name nor an address; asks nobody."""
    if asked not in NAMES:
        _address(asked)


def _address(asked: str) -> tuple[str, str]:
    """The address without a slash at its end, and its host:port for messages."""
    if "@" in asked:
        raise InvalidRequest(
            "EXCHANGE holds a user name or password, which no exchange here takes: write http://host:port."
        )
    try:
        parts = urlsplit(asked)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        usable, host = False, ""
    if not usable:
        raise InvalidRequest(
            f"EXCHANGE is {asked!r}, but must be auto, binance, simulated or an address such as http://host:port."
        )
    return asked.rstrip("/"), host


def why_unreachable() -> str | None:
    """Why Binance's market data cannot be had from here, or None; slow name servers delay it by 12 s at most."""
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        return pool.submit(_ask, f"{BINANCE.rest_url}/api/v3/ping").result(timeout=PROBE_SECONDS)[0]
    except TooLate:
        return f"{urlsplit(BINANCE.rest_url).hostname} gave no answer in {PROBE_SECONDS} s"
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _ask(url: str) -> tuple[str | None, bool]:
    """What is wrong with the answer to a ping, if anything, and whether it announces invented candles."""
    host = urlsplit(url).netloc
    try:
        answer = requests.get(url, timeout=PROBE_TIMEOUT, allow_redirects=False)
    except requests.exceptions.RequestException as error:
        return _no_answer(host, error), False
    if answer.status_code == 451:
        return f"{host} does not serve this country (451)", False
    if not answer.ok or not answer.text.strip().startswith("{"):
        return f"{host} answered {answer.status_code} to a ping", False
    return None, answer.headers.get(ANNOUNCEMENT, "").lower() == "true"


def _no_answer(host: str, error: requests.exceptions.RequestException) -> str:
    if isinstance(error, requests.exceptions.Timeout):
        return f"{host} gave no answer in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy of this machine does not let {host} through"
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {host} is not accepted"
    unknown = "resol" in str(error) or "getaddrinfo" in str(error)
    return f"the name {host} is not known here (no network?)" if unknown else f"no connection to {host}"
