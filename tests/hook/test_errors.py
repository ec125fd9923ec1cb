from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from binance_plugin import errors

EXAMPLES = [
    errors.BadConnection("connection x: extra retries is 'many', expected a whole number, 0 or more."),
    errors.BadSymbol("BTC: unknown."),
    errors.BadRequest("refused.", code=-1120, msg="Invalid interval."),
    errors.RateLimited("later.", retry_after=12.5),
    errors.Banned("banned.", until=datetime(2026, 1, 1, tzinfo=UTC), retry_after=300.0),
    errors.GeoBlocked("not here."),
    errors.Forbidden("firewall."),
    errors.ExchangeUnavailable("down."),
    errors.MalformedAnswer("not a list."),
    errors.BudgetUnavailable("no database."),
    errors.ArchiveNotFound("404.", url="http://host/a.zip"),
    errors.ArchiveChecksumMissing("404.", url="http://host/a.zip"),
    errors.ArchiveChecksumMismatch("differs.", url="http://host/a.zip"),
    errors.ArchiveTooLarge("large.", url="http://host/a.zip"),
    errors.ArchiveUnavailable("down.", url="http://host/a.zip"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_crosses_processes_whole(error: errors.BinanceError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert copy.retry_after == error.retry_after


def test_every_error_is_an_example_here_and_in_the_drawing_of_the_tree() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and not kind.__subclasses__()
    }
    assert kinds == {type(error) for error in EXAMPLES}
    assert errors.__doc__ is not None
    assert all(kind.__name__ in errors.__doc__ for kind in kinds)


def test_reasons_of_the_archive_differ_so_that_records_can_tell_them_apart() -> None:
    reasons = [error.reason for error in EXAMPLES if isinstance(error, errors.ArchiveError)]
    assert len(set(reasons)) == len(reasons)
