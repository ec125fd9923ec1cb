"""Request weight as Binance counts it: a limit a minute, 429 beyond it, 418 for those who go on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.exchange.answers import Response, error

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class WeightCounter:
    """Counts weight by minutes of `clock` (seconds; the wall clock unless the test moves minutes by hand).

    A client that sends `patience` more requests after a 429 in the same minute is banned for `ban_seconds`, twice as
    long each time, three days at most.
    """

    limit: int = 6000
    patience: int = 3
    ban_seconds: float = 120.0
    clock: Callable[[], float] = time.time
    used: int = 0
    peak: int = 0
    refused: int = 0
    sent_while_banned: int = 0
    banned_until: float = 0.0
    paused_until: float = 0.0
    _minute: int = -1
    _refused_in_minute: int = 0
    _bans: int = field(default=0)

    def next_minute(self, minutes: int = 1) -> None:
        """Let minutes pass for the weight and for bans, without waiting."""
        now = self.clock()
        shift = minutes * 60
        self.banned_until -= shift if self.banned_until > now else 0
        self.paused_until -= shift if self.paused_until > now else 0
        self._begin(-1)

    def charge(self, weight: int) -> Response | None:
        """Count a request; the refusal when it is one too many."""
        now = self.clock()
        if now < self.banned_until:
            self.sent_while_banned += 1
            return self._banned(now)
        if int(now // 60) != self._minute:
            self._begin(int(now // 60))
        self.used += weight
        self.peak = max(self.peak, self.used)
        if self.used <= self.limit and now >= self.paused_until:
            return None
        self.refused += 1
        self._refused_in_minute += 1
        if self._refused_in_minute > self.patience:
            self.ban(min(self.ban_seconds * 2**self._bans, 3 * 86_400))
            return self._banned(now)
        wait = max(60 - now % 60, self.paused_until - now)
        message = (
            f"Too much request weight used; current limit is {self.limit} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return error(-1003, message, 429, Retry_After=str(max(math.ceil(wait), 1)))

    def ban(self, seconds: float) -> None:
        """Ban everybody for a while."""
        self.banned_until = self.clock() + seconds
        self._bans += 1
        self._refused_in_minute = 0

    def pause(self, seconds: float) -> None:
        """Refuse with 429 for a while, whatever was used."""
        self.paused_until = self.clock() + seconds
        self._refused_in_minute = 0

    def preset(self, used: int) -> None:
        """Let others have used that much of this minute."""
        self._begin(-1)
        self.used = used

    def headers(self) -> dict[str, str]:
        """The headers of every REST answer."""
        return {"x-mbx-used-weight": str(self.used), "x-mbx-used-weight-1m": str(self.used)}

    def _begin(self, minute: int) -> None:
        self._minute = minute if minute >= 0 else int(self.clock() // 60)
        self.used = 0
        self._refused_in_minute = 0

    def _banned(self, now: float) -> Response:
        until = int(self.banned_until * 1000)
        message = (
            f"Way too much request weight used; IP banned until {until}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return error(-1003, message, 418, Retry_After=str(max(math.ceil(self.banned_until - now), 1)))
