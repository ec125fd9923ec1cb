"""Time by the exchange: the machine's own clock may be wrong, so it only measures how much time has passed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from binance_plugin.client import BinanceClient


@dataclass(frozen=True)
class ExchangeClock:
    """The exchange's time (UTC), read once and carried on by the machine's monotonic clock."""

    read_at: datetime
    monotonic: float

    @classmethod
    def read(cls, client: BinanceClient) -> ExchangeClock:
        """Ask the exchange what time it is: one request of weight 1."""
        return cls(client.server_time(), time.monotonic())

    def now(self) -> datetime:
        """The exchange's time at this moment, UTC."""
        return self.read_at + timedelta(seconds=time.monotonic() - self.monotonic)
