"""Counts of what a client sent and received, for data_sync_log."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields


@dataclass
class RequestStats:
    """Counters since the client was made or `take` was last called.

    requests: HTTP requests sent, tries included; retries: those sent again; rate_limited: answers 429 and 418;
    errors: 5xx, time-outs, resets and broken bodies; weight: request weight acquired; bytes: bodies, decompressed.
    """

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    errors: int = 0
    weight: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, **counts: int) -> None:
        """Add to the named counters; safe from several threads."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def take(self) -> RequestStats:
        """A copy of the counters, which start again at zero."""
        with self._lock:
            counts = {field.name: getattr(self, field.name) for field in fields(self)}
            for name in counts:
                setattr(self, name, 0)
        return RequestStats(**counts)
