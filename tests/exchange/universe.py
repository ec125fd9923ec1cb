"""The simulated pairs: what is listed when, at which price, and when all of them or one of them stand still.

Dates of the core thirty, of LUNA and of the exchange's outages are those of Binance's candles; the rest is plausible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from tests.exchange.noise import seed_of

HOUR = 3600


def seconds(text: str) -> int:
    """`2020-02-09 02:00` as seconds since 1970 UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Outage:
    """The whole exchange stands still from `stop` (milliseconds) to `resume` (seconds)."""

    stop_ms: int
    resume: int

    @property
    def first_missing_minute(self) -> int:
        """The first minute (seconds) without a candle: the minute of the stop has one, closed at the stop."""
        return -(-self.stop_ms // 60_000) * 60


def _outage(stop: str, resume: str, ms: int = 0) -> Outage:
    return Outage(seconds(stop) * 1000 + ms, seconds(resume))


OUTAGES = (
    _outage("2020-02-09 02:00", "2020-02-09 03:00"),
    _outage("2020-02-19 11:35:32", "2020-02-19 17:30", 286),
    _outage("2020-03-04 09:21:46", "2020-03-04 11:30", 694),
    _outage("2020-04-25 02:00", "2020-04-25 04:00"),
    _outage("2020-06-28 02:00", "2020-06-28 05:30"),
    _outage("2020-11-30 06:00", "2020-11-30 07:00"),
    _outage("2020-12-21 13:49:41", "2020-12-21 18:00", 112),
    _outage("2020-12-25 02:00", "2020-12-25 03:00"),
    _outage("2021-02-11 03:41:09", "2021-02-11 05:00", 870),
    _outage("2021-03-06 02:00", "2021-03-06 03:30"),
    _outage("2021-04-20 02:00", "2021-04-20 04:30"),
    _outage("2021-04-25 04:02:17", "2021-04-25 08:45", 531),
    _outage("2021-08-13 02:00", "2021-08-13 06:30"),
    _outage("2021-09-29 07:00", "2021-09-29 09:00"),
    _outage("2023-03-24 12:39:25", "2023-03-24 14:00", 411),
)

ARCHIVE_ONLY_HOUR = seconds("2020-12-21 14:00")
"""A flat candle without volume that the archive has and REST has not, for every pair; it closes before it opens."""

ARCHIVE_ONLY_CLOSE_MS = OUTAGES[6].stop_ms

SHORT_DAY = seconds("2025-04-22")
"""All daily files of this day were published cut short …"""

SHORT_DAY_FIXED = seconds("2025-05-02")
"""… and replaced on this one."""


@dataclass(frozen=True)
class Life:
    """One asset under a ticker: trading from `start` to `end` (seconds, half open; None: still trading)."""

    start: int
    end: int | None = None
    price: str = "1"

    def clip(self, until: int) -> tuple[int, int]:
        """The life's span, not later than `until`."""
        return self.start, until if self.end is None else min(self.end, until)


@dataclass(frozen=True)
class Pair:
    """A pair of the simulated exchange.

    `quote_per_hour` is the usual turnover in whole units of the quote asset, `volatility` the size of hourly moves
    (1000 = 1 %), `status` overrides what the dates say, `known` is False where only the archive remembers the pair,
    `malformed` leaves baseAsset out of exchangeInfo, `holes` are this pair's own suspensions (seconds).
    """

    symbol: str
    base: str
    quote: str
    lives: tuple[Life, ...]
    quote_per_hour: int = 400_000
    volatility: int = 700
    status: str | None = None
    known: bool = True
    malformed: bool = False
    leveraged: bool = False
    stable: bool = False
    quiet: bool = False
    holes: tuple[tuple[int, int], ...] = ()

    @property
    def seed(self) -> int:
        """The seed of everything random about the pair."""
        return seed_of(self.symbol)

    def spans(self, until: int) -> list[tuple[int, int, int]]:
        """When it traded before `until`: (start, end, number of the life), in order, without its own suspensions."""
        found = []
        for number, life in enumerate(self.lives):
            start, end = life.clip(until)
            for hole_start, hole_end in self.holes:
                if start < hole_start < end:
                    found.append((start, hole_start, number))
                    start = hole_end
            if start < end:
                found.append((start, end, number))
        return found

    def status_at(self, now: int) -> str:
        """The status exchangeInfo shows: TRADING while it lives, BREAK before, between and after."""
        if self.status is not None:
            return self.status
        trading = any(life.start <= now and (life.end is None or now < life.end) for life in self.lives)
        return "TRADING" if trading else "BREAK"


def _usdt(base: str, listed: str, price: str, turnover: int, ended: str | None = None) -> Pair:
    life = Life(seconds(listed), seconds(ended) if ended else None, price)
    return Pair(f"{base}USDT", base, "USDT", (life,), quote_per_hour=turnover)


CORE = (
    _usdt("BTC", "2017-08-17 04:00", "31000", 60_000_000),
    _usdt("ETH", "2017-08-17 04:00", "1800", 30_000_000),
    _usdt("BNB", "2017-11-06 03:00", "260", 8_000_000),
    _usdt("SOL", "2020-08-11 06:00", "60", 9_000_000),
    _usdt("XRP", "2018-05-04 08:00", "0.6", 8_000_000),
    _usdt("ADA", "2018-04-17 04:00", "0.5", 4_000_000),
    _usdt("DOGE", "2019-07-05 12:00", "0.09", 6_000_000),
    _usdt("TRX", "2018-06-11 11:00", "0.08", 2_000_000),
    _usdt("LINK", "2019-01-16 10:00", "12", 2_500_000),
    _usdt("DOT", "2020-08-18 23:00", "9", 2_000_000),
    _usdt("MATIC", "2019-04-26 15:00", "0.7", 2_500_000, "2024-09-10 03:00"),
    _usdt("AVAX", "2020-09-22 06:00", "25", 2_500_000),
    _usdt("UNI", "2020-09-17 03:00", "8", 1_200_000),
    _usdt("ATOM", "2019-04-29 04:00", "9", 1_300_000),
    _usdt("LTC", "2017-12-13 03:00", "95", 2_500_000),
    _usdt("BCH", "2019-11-28 10:00", "330", 2_000_000),
    _usdt("ALGO", "2019-06-22 00:00", "0.3", 900_000),
    _usdt("VET", "2018-07-25 04:00", "0.03", 900_000),
    _usdt("FTM", "2019-06-11 04:00", "0.5", 1_100_000, "2025-01-13 03:00"),
    _usdt("SAND", "2020-08-14 13:00", "0.6", 1_000_000),
    _usdt("MANA", "2020-08-06 10:00", "0.5", 900_000),
    _usdt("NEAR", "2020-10-14 05:00", "4", 1_500_000),
    _usdt("APT", "2022-10-19 01:00", "8", 1_500_000),
    _usdt("OP", "2022-06-01 08:00", "1.5", 1_200_000),
    _usdt("ARB", "2023-03-23 15:00", "0.8", 1_400_000),
    _usdt("MKR", "2020-07-23 14:00", "1500", 600_000, "2025-09-15 03:00"),
    _usdt("RUNE", "2020-09-04 06:00", "4", 700_000),
    _usdt("INJ", "2020-10-21 04:00", "12", 900_000),
    _usdt("STX", "2019-10-25 04:00", "0.9", 500_000),
    _usdt("ICP", "2021-05-11 01:00", "15", 900_000),
)

SUCCESSORS = (
    _usdt("POL", "2024-09-13 10:00", "0.4", 1_200_000),
    _usdt("S", "2025-01-16 08:00", "0.5", 1_000_000),
    _usdt("SKY", "2025-09-18 08:00", "0.07", 500_000),
)

LUNA = Pair(
    "LUNAUSDT", "LUNA", "USDT",
    (
        Life(seconds("2020-08-21 10:00"), seconds("2022-05-13 01:00"), "18"),
        Life(seconds("2022-05-31 06:00"), None, "0.8"),
    ),
    quote_per_hour=2_000_000,
)  # fmt: skip

SUSPENDED = (
    replace(
        _usdt("CVC", "2019-10-10 10:00", "0.12", 90_000),
        holes=((seconds("2023-05-09 08:00"), seconds("2023-05-12 20:00")),),
    ),
    replace(
        _usdt("FTT", "2019-12-20 10:00", "11", 300_000),
        holes=((seconds("2022-11-15 03:00"), seconds("2023-09-22 08:00")),),
    ),
)


def _other(base: str, quote: str, listed: str, price: str, turnover: int, ended: str | None = None) -> Pair:
    return replace(_usdt(base, listed, price, turnover, ended), symbol=base + quote, quote=quote)


OTHERS = (
    replace(_usdt("BTCUP", "2020-05-14 12:00", "20", 300_000, "2024-02-28 03:00"), leveraged=True),
    replace(_usdt("BTCDOWN", "2020-05-14 12:00", "8", 250_000, "2024-02-28 03:00"), leveraged=True),
    replace(_usdt("ETHDOWN", "2020-06-15 12:00", "6", 150_000, "2022-04-11 03:00"), leveraged=True),
    replace(_usdt("USDC", "2018-12-15 03:00", "1", 9_000_000), stable=True, volatility=8,
            holes=((seconds("2022-09-29 03:00"), seconds("2023-03-12 02:00")),)),
    replace(_usdt("FDUSD", "2023-07-26 08:00", "1", 9_000_000), stable=True, volatility=6),
    replace(_usdt("TUSD", "2018-10-29 12:00", "1", 800_000), stable=True, volatility=9),
    _other("ETH", "BTC", "2017-07-14 04:00", "0.055", 90),
    _other("BNB", "BTC", "2017-07-14 04:00", "0.008", 30),
    _other("SOL", "ETH", "2021-08-17 06:00", "0.03", 60),
    _other("BTC", "FDUSD", "2023-08-04 08:00", "36000", 40_000_000),
    replace(_usdt("JUP", "2024-01-31 15:00", "0.8", 700_000), volatility=900),
    replace(_usdt("QUIET", "2021-03-02 09:00", "0.4", 400), quiet=True),
    replace(_usdt("币安人生", "2026-01-07 12:00", "0.15", 900_000), volatility=1200),
    replace(_usdt("ZAMA", "2025-12-02 12:00", "0.03", 200_000), status="POST_ONLY_AUCTION"),
    replace(_usdt("OLDX", "2020-03-05 08:00", "0.2", 60_000), malformed=True),
    _usdt("BTT", "2019-01-31 10:00", "0.0012", 900_000, "2022-01-18 03:00"),
    replace(_usdt("NPXS", "2019-02-11 08:00", "0.0004", 40_000, "2021-04-05 03:00"), known=False),
    replace(_usdt("VEN", "2017-12-27 05:00", "3", 200_000, "2018-07-20 03:00"), known=False),
)  # fmt: skip

_CONSONANTS = "BCDFGHKLMNPRSTVXZ"
_VOWELS = "AEIOU"


@lru_cache(maxsize=8)
def extended_pairs(count: int) -> tuple[Pair, ...]:
    """`count` further USDT pairs with made-up tickers: listed 2019 … 2025, one in ten delisted since."""
    taken = {pair.base for pair in (*CORE, *SUCCESSORS, LUNA, *SUSPENDED, *OTHERS)}
    opening, span = seconds("2019-03-01"), seconds("2025-06-01") - seconds("2019-03-01")
    pairs: list[Pair] = []
    number = 0
    while len(pairs) < count:
        seed = seed_of(f"extended {number}")
        number += 1
        letters = [_CONSONANTS[seed % 17], _VOWELS[seed // 17 % 5], _CONSONANTS[seed // 85 % 17]]
        letters += [_VOWELS[seed // 1445 % 5]] if seed // 7225 % 2 else []
        base = "".join(letters)
        if base in taken:
            continue
        taken.add(base)
        listed = (opening + (seed >> 20) % span) // HOUR * HOUR
        ended = None
        if (seed >> 8) % 10 == 0:
            ended = (listed + (120 + (seed >> 30) % 900) * 86400) // 86400 * 86400 + 3 * HOUR
        price = str(1 + (seed >> 40) % 90) + "e-" + str((seed >> 50) % 4)
        turnover = 20_000 + (seed >> 44) % 600_000
        life = Life(listed, ended, price)
        pairs.append(Pair(f"{base}USDT", base, "USDT", (life,), turnover, volatility=600 + (seed >> 36) % 500))
    return tuple(pairs)


@lru_cache(maxsize=8)
def universe(extended: int = 0) -> dict[str, Pair]:
    """Every pair by symbol, in exchangeInfo's order."""
    pairs = (*CORE, *SUCCESSORS, LUNA, *SUSPENDED, *OTHERS, *extended_pairs(extended))
    return {pair.symbol: pair for pair in pairs}
