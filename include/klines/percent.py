"""Percentages, rounded down wherever they are cut: 100 is said only where nothing is missing."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal


def percent(part: int | None, whole: int | None) -> float | None:
    """100 · part / whole, cut to four places; None where whole is 0."""
    if part is None or not whole:
        return None
    return part * 1_000_000 // whole / 10_000


def shown(value: float | None, places: int = 3) -> str:
    """A percentage as people read it, as in "99.999 %" and "100 %"; the Coverage page writes it the same way."""
    if value is None:
        return "nothing expected"
    if value >= 100:
        return "100 %"
    return f"{Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_DOWN)} %"
