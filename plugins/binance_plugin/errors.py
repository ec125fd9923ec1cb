"""The error tree of whoever asks Binance. Each error is one sentence: what, where, what to do.

    BinanceError
    ├── BadConnection        the Airflow connection is wrong; names the field or extra
    ├── BadSymbol            the exchange does not know the symbol (-1121)
    ├── BadRequest           the exchange refuses the request (`code`, `msg`)
    ├── RateLimited          the budget is spent or a 429 pause is long: come back after `retry_after` seconds
    ├── Banned               HTTP 418: nothing is sent before `until` (UTC), `retry_after` seconds away
    ├── GeoBlocked           HTTP 451: this location may not use this address
    ├── Forbidden            HTTP 403: Binance's web application firewall
    ├── ExchangeUnavailable  5xx, time-outs, resets and cut answers, after all tries
    ├── MalformedAnswer      an answer of another shape than documented
    ├── BudgetUnavailable    the table of the weight budget cannot be reached, so nothing may be sent
    └── ArchiveError         a file of the archive or its listing (`url`, `reason`)
        ├── ArchiveNotFound          404: not listed, not published yet, or lost; never "no data"
        ├── ArchiveChecksumMissing   the file is there, its .CHECKSUM is not
        ├── ArchiveChecksumMismatch  the bytes do not have the SHA-256 of .CHECKSUM, or .CHECKSUM is no checksum
        ├── ArchiveTooLarge          more bytes than a month of candles can have
        └── ArchiveUnavailable       5xx, time-outs, resets and cut bodies, after all tries; refusals

All of them can be pickled: Airflow and process pools carry them between processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class BinanceError(Exception):
    """The root. `retry_after` is in seconds and None where waiting does not help; a RetryPolicy reads it."""

    retry_after: float | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __reduce__(self) -> tuple[Callable[..., BinanceError], tuple[object, ...]]:
        return _restore, (type(self), self.args, dict(self.__dict__))


def _restore(kind: type[BinanceError], args: tuple[object, ...], state: dict[str, object]) -> BinanceError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class BadConnection(BinanceError):
    """The Airflow connection cannot be used; the sentence names the field or extra and what is expected."""


class BadSymbol(BinanceError):
    """The exchange does not know the symbol, or has removed it (-1121)."""


class BadRequest(BinanceError):
    """The exchange refuses the request. `code` is its error code, None where it gave none; `msg` its own words."""

    def __init__(self, message: str, *, code: int | None = None, msg: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.msg = msg


class RateLimited(BinanceError):
    """No request may be sent for `retry_after` seconds, longer than a task should sleep in its slot."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Banned(BinanceError):
    """The exchange bans this address until `until` (aware, UTC), `retry_after` seconds from now."""

    retry_after: float

    def __init__(self, message: str, *, until: datetime, retry_after: float) -> None:
        super().__init__(message)
        self.until = until
        self.retry_after = retry_after


class GeoBlocked(BinanceError):
    """The exchange does not serve this location (HTTP 451). Another try does not help, another host may."""


class Forbidden(BinanceError):
    """The exchange's web application firewall refused the request (HTTP 403)."""


class ExchangeUnavailable(BinanceError):
    """No answer after all tries: 5xx, time-out, reset or a cut body."""


class MalformedAnswer(BinanceError):
    """An answer that is not what the exchange documents."""


class BudgetUnavailable(BinanceError):
    """The weight budget cannot be asked, so that nothing may be sent."""


class ArchiveError(BinanceError):
    """The root of what goes wrong with the archive. `reason` is a word for records, `url` the file or listing."""

    reason = "archive_error"

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = url


class ArchiveNotFound(ArchiveError):
    """404: not listed then, not published yet, or lost. It does not say that there are no candles."""

    reason = "missing"


class ArchiveChecksumMissing(ArchiveError):
    """The file is there and its .CHECKSUM is not, so it cannot be trusted."""

    reason = "checksum_missing"


class ArchiveChecksumMismatch(ArchiveError):
    """The file and its .CHECKSUM disagree, twice."""

    reason = "checksum"


class ArchiveTooLarge(ArchiveError):
    """The body is larger than any month of candles; reading stopped at the limit."""

    reason = "too_large"


class ArchiveUnavailable(ArchiveError):
    """The archive did not answer, or refused, after all tries."""

    reason = "server_error"
