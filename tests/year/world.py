"""The world around Airflow: the exchange, the market database, a person's chat, and the one clock of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from binance_plugin.hook import BinanceHook

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from tests.exchange import Exchange
    from tests.receivers import Chat


@dataclass(frozen=True)
class Received:
    """One message as the webhook took it, and what time it was in the simulated world."""

    at: datetime
    title: str
    text: str


@dataclass
class World:
    """The simulated world. Its clock stands still until somebody moves it, so that every year is the same."""

    exchange: Exchange
    market: psycopg.Connection
    chat: type[Chat]
    now: datetime
    received: list[Received] = field(default_factory=list)
    deleted: int = 0

    def move_to(self, moment: datetime) -> None:
        """Set every clock, the exchange's and the database's, forward to `moment`."""
        self.collect()
        self.now = max(self.now, moment)
        self.exchange.set_clock(self.now)
        self.market.execute("UPDATE simulated.clock SET moment = %s", (self.now,))

    def sleep(self, seconds: float) -> None:
        """Wait in the simulated world."""
        self.move_to(self.now + timedelta(seconds=seconds))

    def collect(self) -> None:
        """Take the messages that have come, with the time of their coming."""
        while self.chat.messages:
            message = self.chat.messages.pop(0)
            self.received.append(Received(self.now, message["title"], message["message"]))

    def nobody_waits(self) -> None:
        """Whatever the hook waits for passes in the simulated world: its `sleep` is an argument, and this its value."""
        defaults: dict[str, Any] = BinanceHook.__init__.__kwdefaults__
        defaults["sleep"] = self.sleep
