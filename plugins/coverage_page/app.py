"""The page's app: every route asks for a login that may read Dags, and none changes anything."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from coverage_page import airflow_runs
from coverage_page.access import may_read_dags
from coverage_page.database import KEPT_SECONDS, Answers, Database, Unavailable
from coverage_page.threads import route_in_own_threads
from include.klines.coverage import figures, filters, heatmap, machine_health, one_series, overview, store, tables
from include.klines.coverage.filters import Filters
from include.klines.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
JSON, CSV = "application/json", "text/csv; charset=utf-8"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
PRIVATE = f"private, max-age={int(KEPT_SECONDS)}"
FEWEST_POINTS, POINTS, MOST_POINTS = 50, 1500, 5000


def make_app(database: Database | None = None, answers: Answers | None = None) -> FastAPI:
    """The app that Airflow mounts at /coverage."""
    app = FastAPI(
        title="Coverage", dependencies=[may_read_dags], openapi_url=None, docs_url=None, redoc_url=None
    )  # fmt: skip
    app.router.route_class = route_in_own_threads()
    reader, kept = database or Database(), answers or Answers()

    def answer(request: Request, make: Callable[[Any, datetime], Any], media_type: str = JSON) -> Response:
        """What `make` makes of a connection and the time, kept for some seconds under the request's address."""

        def made() -> Any:
            with reader.connection() as conn:
                return make(conn, datetime.now(UTC))

        content = kept.get((request.url.path, request.url.query), made)
        return Response(content, media_type=media_type, headers={"Cache-Control": PRIVATE})

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.exception_handler(InvalidRequest)
    def refuse(request: Request, error: InvalidRequest) -> Response:
        return JSONResponse({"detail": str(error)}, status_code=400)

    @app.exception_handler(Unavailable)
    def unavailable(request: Request, error: Unavailable) -> Response:
        return JSONResponse({"detail": str(error)}, status_code=503)

    @app.exception_handler(psycopg.Error)
    def failed(request: Request, error: psycopg.Error) -> Response:
        log.warning("the market database did not answer %s: %s", request.url.path, error)
        return JSONResponse({"detail": why(error)}, status_code=503)

    @app.get("/")
    def page() -> Response:
        return _file("index.html")

    @app.get("/static/{path:path}")
    def static(path: str) -> Response:
        return _file(path)

    @app.get("/api/overview")
    def get_overview(request: Request) -> Response:
        return answer(
            request,
            lambda conn, clock: store.to_json(overview.overview(conn, clock) | airflow_runs.runs_and_deadlines()),
        )

    @app.get("/api/heatmap")
    def get_heatmap(request: Request) -> Response:
        if "format" in request.query_params:
            return table(request, "heatmap")
        timeframe = filters.one_timeframe(request.query_params.get("timeframe"))
        chosen = Filters.parse(request.query_params)
        return answer(request, lambda conn, clock: heatmap.heatmap(conn, timeframe, chosen, clock))

    @app.get("/api/series/{symbol}/{timeframe}")
    def get_series(request: Request, symbol: str, timeframe: str) -> Response:
        return answer(
            request,
            lambda conn, clock: store.to_json(
                one_series.describe(conn, known(conn, symbol, timeframe), *_range(request), clock)
            ),
        )

    @app.get("/api/series/{symbol}/{timeframe}/candles")
    def get_candles(request: Request, symbol: str, timeframe: str) -> Response:
        points = filters.whole("points", request.query_params.get("points"), POINTS, FEWEST_POINTS, MOST_POINTS)
        return answer(
            request,
            lambda conn, clock: one_series.candles(
                conn, known(conn, symbol, timeframe), *_range(request), points, clock
            ),
        )

    @app.get("/api/health")
    def get_health(request: Request) -> Response:
        def ask() -> dict[str, Any]:
            clock = datetime.now(UTC)
            try:
                with reader.connection() as conn:
                    return machine_health.ask(conn, clock).as_dict(clock)
            except (psycopg.Error, Unavailable) as error:
                return {"status": "unhealthy", "reasons": [why(error)], "checks": {}, "as_of": clock}

        found = kept.get("health", ask)
        code = 200 if found["status"] == "healthy" else 503
        return Response(store.to_json(found), code, media_type=JSON, headers={"Cache-Control": "no-store"})

    @app.get("/api/metrics")
    def get_metrics() -> Response:
        def made() -> tuple[bytes, str]:
            with reader.connection() as conn:
                return figures.prometheus(figures.figures(conn, datetime.now(UTC)))

        content, media_type = kept.get("metrics", made)
        return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    def table(request: Request, name: str) -> Response:
        kind = _kind(request)
        chosen = Filters.parse(request.query_params)

        def make(conn: Any, clock: datetime) -> bytes:
            rows = tables.read(conn, name, chosen, clock)
            return tables.as_csv(name, rows) if kind == "csv" else tables.as_json(name, rows, clock)

        return _named(answer(request, make, CSV if kind == "csv" else JSON), name, kind)

    @app.get("/api/runs")
    def get_runs(request: Request) -> Response:
        kind = _kind(request)
        rows = airflow_runs.as_rows(airflow_runs.runs_and_deadlines()["runs"])
        if kind == "csv":
            return _named(Response(tables.as_csv("runs", rows), media_type=CSV), "runs", kind)
        return _named(Response(tables.as_json("runs", rows, datetime.now(UTC)), media_type=JSON), "runs", kind)

    @app.get("/api/{name}")
    def get_table(request: Request, name: str) -> Response:
        if name not in tables.READERS:
            raise HTTPException(404, f"There is no table {name!r}: there are {', '.join(tables.COLUMNS)}.")
        return table(request, name)

    return app


def known(conn: psycopg.Connection, symbol: str, timeframe: str) -> dict[str, Any]:
    """A stored series; 404 where nothing of it is stored."""
    found = one_series.find(conn, filters.symbol(symbol), filters.one_timeframe(timeframe))
    if found is None:
        raise HTTPException(
            404, f"Nothing of {symbol} {timeframe} is stored: klines_initial_load loads it, if the exchange lists it."
        )
    return found


def why(error: Exception) -> str:
    """Why the market database gave no answer, in a sentence without its address."""
    if isinstance(error, Unavailable):
        return str(error)
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"The market database took longer than {store.STATEMENT_SECONDS} s: try again, or choose less."
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return "A change of the schema or a prune holds a table of the market database: try again in some seconds."
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedFunction):
        return "The market database has an older schema: `python -m include.klines.migrate` brings it up to date."
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "The role of market_db_read may not read a table: it should be backtester, after all migrations."
    return "The market database does not answer: look whether PostgreSQL runs, and at the connection market_db_read."


def _range(request: Request) -> tuple[datetime | None, datetime | None]:
    query = request.query_params
    return filters.moment("start", query.get("start")), filters.moment("end", query.get("end"))


def _kind(request: Request) -> str:
    kind = request.query_params.get("format") or "json"
    if kind not in ("csv", "json"):
        raise InvalidRequest("format must be csv or json.")
    return kind


def _named(response: Response, name: str, kind: str) -> Response:
    """A name for whoever saves the answer; JSON is shown, CSV is saved."""
    if kind == "csv":
        response.headers["Content-Disposition"] = f'attachment; filename="klines_{name}.csv"'
    return response


def _file(path: str) -> Response:
    """A file of static/; 404 for everything else, whatever its path looks like."""
    wanted = (STATIC / path).resolve()
    if not wanted.is_relative_to(STATIC.resolve()) or not wanted.is_file():
        raise HTTPException(404, "There is no such file.")
    kind = guess_type(wanted.name)[0] or "application/octet-stream"
    kind = "text/javascript" if wanted.suffix in (".js", ".mjs") else kind
    return FileResponse(wanted, media_type=kind, headers={"Cache-Control": "private, no-cache"})
