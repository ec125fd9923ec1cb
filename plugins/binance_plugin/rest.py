"""One REST request: pacing, budget, tries, and what each kind of refusal means."""

from __future__ import annotations

import email.utils
import json
import logging
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from binance_plugin.errors import (
    BadRequest,
    BadSymbol,
    Banned,
    BinanceError,
    ExchangeUnavailable,
    Forbidden,
    GeoBlocked,
    MalformedAnswer,
    RateLimited,
)
from binance_plugin.pacing import Pacer, Transient, with_retries
from binance_plugin.settings import MARKET_DATA_URL
from binance_plugin.transport import Broken, TooLarge, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from binance_plugin.budget import Budget
    from binance_plugin.settings import BinanceSettings
    from binance_plugin.stats import RequestStats
    from binance_plugin.transport import Answer

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 << 20
USED_WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
PAUSE_WITHOUT_RETRY_AFTER = 60.0
BAN_WITHOUT_RETRY_AFTER = 120.0  # the shortest ban that Binance documents
LONGEST_RETRY_AFTER = 7 * 86400.0  # bans end after three days at most; more is not a time
PAUSES_PER_REQUEST = 3
CODE_TOO_MUCH_WEIGHT = -1003
CODE_BAD_SYMBOL = -1121


class RestClient:
    """GET on the REST address. Tries that fail for the moment are repeated; every try is paced and spends weight.

    Once `stopped` is set nothing is sent, not even what waits for its turn by then, and InterruptedError is raised.
    """

    def __init__(
        self,
        base_url: str,
        *,
        transport: Transport,
        pacer: Pacer,
        budget: Budget,
        stats: RequestStats,
        retries: int,
        sleep: Callable[[float], None],
        secret: str | None = None,
        stopped: Event | None = None,
    ) -> None:
        self._base_url = base_url
        self._transport = transport
        self._pacer = pacer
        self._budget = budget
        self._stats = stats
        self._retries = retries
        self._sleep = sleep
        self._secret = secret
        self._stopped = stopped

    @classmethod
    def of(
        cls,
        settings: BinanceSettings,
        budget: Budget,
        stats: RequestStats,
        sleep: Callable[[float], None],
        stopped: Event | None = None,
    ) -> RestClient:
        """The part of one BinanceClient; only it knows the API key."""
        return cls(
            settings.rest_url,
            transport=Transport((settings.connect_timeout, settings.timeout), api_key=settings.api_key),
            pacer=Pacer(settings.request_interval, settings.burst_size, settings.burst_pause, sleep=sleep),
            budget=budget,
            stats=stats,
            retries=settings.retries,
            sleep=sleep,
            secret=settings.api_key,
            stopped=stopped,
        )

    def get(self, path: str, params: Mapping[str, str] | None = None, *, weight: int) -> Any:
        """The JSON of one answer 200. Raises the REST half of the error tree."""
        named = " ".join(f"{name}={value}" for name, value in (params or {}).items())
        what = f"GET {self._base_url}{path} {named}".strip()[:300]
        pauses = 0

        def attempt() -> Any:
            nonlocal pauses
            while True:
                answer = self._send(what, path, params, weight)
                if answer.status == 200:
                    return _json(answer)
                pause = self._refusal(answer, what)
                pauses += 1
                if pauses >= PAUSES_PER_REQUEST:
                    raise RateLimited(
                        f"{what}: refused with 429 {pauses} times; come back in {pause:.0f} s.", retry_after=pause
                    )

        return with_retries(attempt, what=what, retries=self._retries, sleep=self._sleep, stats=self._stats, log=log)

    def _send(self, what: str, path: str, params: Mapping[str, str] | None, weight: int) -> Answer:
        self._pacer.wait()
        self._stop_if_told()
        self._budget.acquire(weight)
        self._stop_if_told()
        self._stats.add(requests=1, weight=weight)
        try:
            answer = self._transport.get(self._base_url + path, params, max_bytes=MAX_BODY_BYTES)
        except Broken as broken:
            raise Transient(str(broken), ExchangeUnavailable) from None
        except TooLarge:
            self._stats.add(errors=1)
            raise MalformedAnswer(f"{what}: the answer is larger than {MAX_BODY_BYTES >> 20} MB.") from None
        self._stats.add(bytes=len(answer.body))
        used = answer.headers.get(USED_WEIGHT_HEADER, "")
        if used.isdecimal() and answer.status not in {418, 429}:
            self._budget.observe(int(used))
        return answer

    def _stop_if_told(self) -> None:
        """Asked after each wait for a turn."""
        if self._stopped is not None and self._stopped.is_set():
            raise InterruptedError("nobody waits for this answer any more.")

    def _refusal(self, answer: Answer, what: str) -> float:
        """Raises the error that fits the status; but a 429 pauses all processes, and the seconds of it are returned."""
        code, msg = self._error_body(answer)
        status = answer.status
        if status == 429 or (code == CODE_TOO_MUCH_WEIGHT and status != 418):
            pause = _retry_after(answer, PAUSE_WITHOUT_RETRY_AFTER)
            self._stats.add(rate_limited=1)
            self._budget.pause(pause)
            log.warning("%s: HTTP %d, all requests to this address pause for %.0f s", what, status, pause)
            return pause
        if status == 418:
            ban = _retry_after(answer, BAN_WITHOUT_RETRY_AFTER)
            self._stats.add(rate_limited=1)
            until = self._budget.open_circuit(ban)
            raise Banned(
                f"{what}: HTTP 418, the exchange bans us until {until:%Y-%m-%d %H:%M:%S} UTC; nothing is sent before.",
                until=until,
                retry_after=ban,
            )
        if status >= 500 or status == 408:
            raise Transient(f"HTTP {status}", ExchangeUnavailable)
        raise self._final_error(status, code, msg, what, answer)

    def _final_error(self, status: int, code: int | None, msg: str, what: str, answer: Answer) -> BinanceError:
        said = f" ({msg})" if msg else ""
        if status == 451:
            known = urlsplit(self._base_url).hostname == urlsplit(MARKET_DATA_URL).hostname
            hint = "run from another location" if known else f"set host of the connection to {MARKET_DATA_URL}"
            return GeoBlocked(f"{what}: HTTP 451, the exchange does not serve this location{said}: {hint}.")
        if status == 403:
            return Forbidden(
                f"{what}: HTTP 403, refused by the exchange's firewall{said}: check the request and wait some minutes."
            )
        if 300 <= status < 400:
            host = urlsplit(answer.headers.get("Location", "")).hostname or "another address"
            return MalformedAnswer(
                f"{what}: HTTP {status} to {host}, not followed: put the final address into the connection."
            )
        if code == CODE_BAD_SYMBOL:
            return BadSymbol(f"{what}: the exchange does not know the symbol{said}.")
        number = "" if code is None else f", code {code}"
        return BadRequest(f"{what}: HTTP {status}{number}, the exchange refuses the request{said}.", code=code, msg=msg)

    def _error_body(self, answer: Answer) -> tuple[int | None, str]:
        """`code` and `msg` of an error; (None, "") where the body is HTML or anything else."""
        try:
            body = json.loads(answer.body)
        except ValueError:
            return None, ""
        if not isinstance(body, dict):
            return None, ""
        code = body.get("code")
        msg = " ".join(str(body.get("msg") or "").split())[:200]
        if self._secret:
            msg = msg.replace(self._secret, "***")
        return code if isinstance(code, int) else None, msg


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        raise Transient("the answer is not JSON, or was cut", MalformedAnswer) from None


def _retry_after(answer: Answer, default: float) -> float:
    """Seconds of Retry-After: a number, or a date against the answer's own Date; else `default`."""
    text = answer.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            end = email.utils.parsedate_to_datetime(text)
            start = email.utils.parsedate_to_datetime(answer.headers.get("Date", ""))
        except ValueError:
            return default
        seconds = (_utc(end) - _utc(start)).total_seconds()
    return min(max(seconds, 1.0), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else default


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
