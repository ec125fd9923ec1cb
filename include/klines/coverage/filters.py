"""What a reader of the page may choose, checked: each wrong value is one sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.klines.errors import InvalidRequest
from include.klines.intervals import TIMEFRAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

TIERS = ("core", "extended")
LONGEST_SEARCH = 40
LONGEST_SYMBOL = 40
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


@dataclass(frozen=True)
class Filters:
    """Which series are meant; None and '' mean all of them."""

    timeframes: tuple[str, ...] | None = None
    tiers: tuple[str, ...] | None = None
    search: str = ""
    only_problems: bool = False

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Filters:
        """From the words of an address: timeframe, tier (several joined by commas), q, problems."""
        return cls(
            _several("timeframe", given.get("timeframe"), tuple(TIMEFRAMES)),
            _several("tier", given.get("tier"), TIERS),
            search(given.get("q")),
            _flag("problems", given.get("problems")),
        )

    @property
    def binds(self) -> dict[str, object]:
        """As the statements take them."""
        return {
            "timeframes": list(self.timeframes) if self.timeframes else None,
            "tiers": list(self.tiers) if self.tiers else None,
            "search": self.search,
            "only_problems": self.only_problems,
        }


def one_timeframe(value: str | None) -> str:
    """A stored timeframe, 1h where none is given."""
    found = value or "1h"
    if found not in TIMEFRAMES:
        raise InvalidRequest(f"timeframe must be one of {', '.join(TIMEFRAMES)}.")
    return found


def search(value: str | None) -> str:
    """A part of a symbol."""
    found = (value or "").strip()
    if len(found) > LONGEST_SEARCH or "\0" in found:
        raise InvalidRequest(f"q must be a part of a symbol, at most {LONGEST_SEARCH} characters.")
    return found


def symbol(value: str) -> str:
    """A symbol as it may be asked for: any text of reasonable length, since exchanges list any text."""
    if not 0 < len(value) <= LONGEST_SYMBOL or "\0" in value:
        raise InvalidRequest(f"a symbol has 1 to {LONGEST_SYMBOL} characters.")
    return value


def moment(name: str, value: str | None) -> datetime | None:
    """A date or an ISO time; without a zone it is UTC. None where nothing is given."""
    if not value:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d([T ][\d:.]+(Z|[+-]\d\d:?\d\d)?)?", value):
            raise ValueError
        found = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidRequest(f"{name} must be a date or a time like 2024-01-31 or 2024-01-31T12:00:00Z.") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if not 2009 <= found.year <= 2200:
        raise InvalidRequest(f"{name} must lie between 2009 and 2200.")
    return found.astimezone(UTC)


def whole(name: str, value: str | None, default: int, least: int, most: int) -> int:
    """A whole number within bounds."""
    if not value:
        return default
    if not re.fullmatch(r"\d{1,9}", value) or not least <= int(value) <= most:
        raise InvalidRequest(f"{name} must be a whole number from {least:,} to {most:,}.")
    return int(value)


def _several(name: str, value: str | None, allowed: tuple[str, ...]) -> tuple[str, ...] | None:
    chosen = tuple(dict.fromkeys(part.strip() for part in (value or "").split(",") if part.strip()))
    if not set(chosen) <= set(allowed):
        raise InvalidRequest(f"{name} must be one or more of {', '.join(allowed)}, joined by commas.")
    return chosen or None


def _flag(name: str, value: str | None) -> bool:
    found = (value or "").strip().lower()
    if found not in (*TRUE, *FALSE):
        raise InvalidRequest(f"{name} must be true or false.")
    return found in TRUE
