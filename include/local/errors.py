"""Errors of the one-machine runtime."""

from __future__ import annotations

from include.klines.errors import KlinesError


class LocalRunError(KlinesError):
    """Something on this machine keeps the system from starting or running; the sentence says what to do."""
