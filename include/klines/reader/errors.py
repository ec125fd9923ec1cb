"""The reader's errors. Each is one sentence: what is wrong, where, and what to do.

KlinesError                      include.klines.errors
├── InvalidRequest               an argument that cannot be meant (also of the rest of the project)
│   ├── UnknownSymbol            .nearest
│   ├── UnknownTimeframe         .known
│   └── RangeOutsideListing      .listings
│       └── ReusedTicker         the range spans two assets that had one name
└── ReaderError
    ├── MissingData              .windows .expected .missing .share .conf .command .restore
    ├── FingerprintMismatch      .expected .actual .revisions .added
    ├── UnknownPin               .known
    ├── StaleSnapshot
    └── DatabaseUnavailable
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.klines.errors import InvalidRequest, KlinesError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

LISTED_WINDOWS = 5


@dataclass(frozen=True)
class MissingWindow:
    """Candles that are not stored: open times start <= t < end, their number, and why they are missing."""

    symbol: str
    start: datetime
    end: datetime
    candles: int
    cause: str

    def __str__(self) -> str:
        return f"[{self.start:%Y-%m-%d %H:%M}, {self.end:%Y-%m-%d %H:%M}) {self.cause}"


class ReaderError(KlinesError):
    """The data cannot be given as they were asked for."""


class UnknownSymbol(InvalidRequest):
    """No such symbol is listed or stored; `nearest` holds similar names."""

    def __init__(self, symbol: str, nearest: Sequence[str]) -> None:
        hint = f"did you mean {', '.join(nearest)}?" if nearest else "universe() lists what there is."
        super().__init__(f"symbol {symbol!r} is not in this database: {hint}")
        self.symbol, self.nearest = symbol, tuple(nearest)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.symbol, self.nearest)


class UnknownTimeframe(InvalidRequest):
    """No such timeframe, or none that this one can be made of; `known` holds the ones that work."""

    def __init__(self, timeframe: str, known: Sequence[str], reason: str = "is not known") -> None:
        super().__init__(f"timeframe {timeframe!r} {reason}: use one of {', '.join(known)}.")
        self.timeframe, self.known, self.reason = timeframe, tuple(known), reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.timeframe, self.known, self.reason)


class RangeOutsideListing(InvalidRequest):
    """The pair was not listed during all of the range; `listings` holds (start, end), end None while it trades."""

    def __init__(self, message: str, listings: Sequence[tuple[datetime | None, datetime | None]]) -> None:
        super().__init__(message)
        self.listings = tuple(listings)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.listings)


class ReusedTicker(RangeOutsideListing):
    """The range spans two different assets that had the same name. They are never stitched."""


class MissingData(ReaderError):
    """Candles are missing without an explanation, so no frame was made.

    `windows` names them, `missing` of `expected` is their number and `share` their part; `conf` is the form of
    klines_initial_load that loads them and `command` the same as a shell command, both None where no load can help yet.
    `restore` is the shell command that brings back what was pruned, None where nothing was.
    """

    def __init__(
        self,
        what: str,
        windows: Sequence[MissingWindow],
        expected: int,
        conf: Mapping[str, Any] | None,
        restore: str | None = None,
    ) -> None:
        from include.klines.reader.advice import advice, command

        self.what, self.windows, self.expected = what, tuple(windows), expected
        self.missing = sum(window.candles for window in windows)
        self.share = self.missing / expected
        self.conf = dict(conf) if conf else None
        self.command = command(self.conf) if self.conf else None
        self.restore = restore
        several = len({window.symbol for window in windows}) > 1
        listed = ", ".join(
            f"{window.symbol} {window}" if several else str(window) for window in self.windows[:LISTED_WINDOWS]
        )
        more = f" and {len(self.windows) - LISTED_WINDOWS} more" if len(self.windows) > LISTED_WINDOWS else ""
        super().__init__(
            f"{what} lacks {self.missing} of {expected} candles ({100 * self.share:.4f} %) without an explanation: "
            f"{listed}{more}; {advice(self.conf, self.windows, restore)}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.windows, self.expected, self.conf, self.restore)


class FingerprintMismatch(ReaderError):
    """A pinned dataset is not what it was.

    `revisions` are the candles that the exchange changed since (symbol, open time), `added` the loads that brought
    candles since: symbol, Dag, start and end of what the run looked at, number of candles.
    """

    def __init__(
        self,
        message: str,
        expected: str,
        actual: str | None,
        revisions: Sequence[tuple[str, datetime]] = (),
        added: Sequence[tuple[str, str, datetime, datetime, int]] = (),
    ) -> None:
        super().__init__(message)
        self.expected, self.actual, self.revisions, self.added = expected, actual, tuple(revisions), tuple(added)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.expected, self.actual, self.revisions, self.added)


class UnknownPin(ReaderError):
    """No dataset is pinned under this name."""


class StaleSnapshot(ReaderError):
    """The transaction began before a partition that it reads was rewritten: begin another one and read again."""


class DatabaseUnavailable(ReaderError):
    """The database cannot be reached, or does not let this user read."""
