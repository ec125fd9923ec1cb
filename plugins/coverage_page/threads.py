"""The page's own threads, so that a market database that hangs never takes those of Airflow's own routes."""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread
from fastapi.routing import APIRoute

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = 8
"""The page's share of an api-server, whose 40 threads also take the heartbeats of tasks."""


def route_in_own_threads(threads: int = THREADS) -> type[APIRoute]:
    """A class of routes that run in at most so many threads of their own, all together; who comes then waits."""
    limiter = CapacityLimiter(threads)

    class OwnThreads(APIRoute):
        def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
            @wraps(endpoint)
            async def in_a_thread(*args: Any, **kwargs: Any) -> Any:
                return await to_thread.run_sync(partial(endpoint, *args, **kwargs), limiter=limiter)

            super().__init__(path, in_a_thread, **given)

    return OwnThreads
