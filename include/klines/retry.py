"""When a failed task is tried again: after a ban, after Retry-After, or never."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from binance_plugin.errors import BadConnection, BinanceError, GeoBlocked
from include.klines.errors import ConfigurationError, InvalidRequest, MigrationError

NEVER_HELPED_BY_WAITING = (BadConnection, GeoBlocked, InvalidRequest, ConfigurationError, MigrationError)


class ExchangeRetryPolicy(RetryPolicy):
    """Retry when the exchange said so, fail at once where waiting cannot help, else as the task's defaults say."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """Decide by the exception; `retry_after` is in seconds, `until` is UTC."""
        if isinstance(exception, NEVER_HELPED_BY_WAITING):
            return RetryDecision.fail(reason=str(exception))
        if isinstance(exception, BinanceError) and exception.retry_after is not None:
            return RetryDecision.retry(delay=timedelta(seconds=exception.retry_after + 1), reason=str(exception))
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Nothing to keep: the policy has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> ExchangeRetryPolicy:
        """The inverse of `serialize`."""
        return cls()
