"""The error tree of the project's own code.

Each error is one sentence: what is wrong, where, and what to do.

    KlinesError
    ├── InvalidRequest      what a person asked for cannot be done (params, make variables)
    ├── ConfigurationError  universe.yaml, timeframes.yaml or a connection is wrong
    ├── RefusedFile         an archive file that disagrees with itself (`reason`: a word for records)
    │   ├── TruncatedFile   it ends too early
    │   └── MalformedFile   it is no zip with one CSV of candles
    ├── LoadError           a window could not be loaded; nothing of it was stored
    │   └── WindowUnavailable  no rung of the ladder could be asked with success (include.klines.ladder.parts)
    ├── IncompleteMonth     a month lacks candles that nobody explained
    ├── BrokenPromise       a health check found what should not be; the sentence says what mends it
    ├── AlertError          no configured channel took a message
    ├── PruneError          candles could not be saved, removed or brought back; what was not verified stays stored
    └── MigrationError      the database's schema and include/sql/migrations do not fit
"""

from __future__ import annotations


class KlinesError(Exception):
    """The root of every error this project raises on purpose."""


class InvalidRequest(KlinesError):
    """What was asked for cannot be done; the sentence says what to ask instead."""


class ConfigurationError(KlinesError):
    """A configuration file or a connection is wrong; the sentence names the place."""


class RefusedFile(KlinesError):
    """An archive file disagrees with itself; the sentence carries its name and the reason."""

    reason = "refused"


class TruncatedFile(RefusedFile):
    """An archive file ends too early: bytes are missing from its zip or its last row."""

    reason = "truncated"


class MalformedFile(RefusedFile):
    """An archive file is not a zip with exactly one readable CSV of candles."""

    reason = "malformed"


class LoadError(KlinesError):
    """A window could not be loaded. Nothing of it was stored."""


class IncompleteMonth(KlinesError):
    """A month that should be done lacks candles without an explanation; the sentence names each series."""


class BrokenPromise(KlinesError):
    """A health check found what should not be: the message names the series, the causes and what mends them."""


class AlertError(KlinesError):
    """No configured channel took a message; the sentence says why each refused."""


class PruneError(KlinesError):
    """Candles could not be saved, removed or brought back; what is not verified in a file stays in the database."""


class MigrationError(KlinesError):
    """The schema of the database and the migrations in this checkout do not fit together."""
