"""A simulated Binance on loopback: REST, archive and listing at one address, and a control address.

    with Exchange(now="2026-01-15T00:30:00Z") as exchange:
        exchange.fault("status", status=503, kind="klines", symbol="BTCUSDT", times=2)
        ...  # let the code under test talk to exchange.url
        assert exchange.count(kind="klines", status=503) == 2

or `python -m tests.exchange --port 0 …`, which prints `listening on http://127.0.0.1:PORT`.

**Candles** are a function of pair and time in integer arithmetic (noise, candles, series, market): the same on every
machine. The hour is drawn first and its minutes refined inside it, so 1m, 5m, 15m, 1h, 4h, 1d (and 3m, 30m, 2h, 6h, 8h,
12h; by REST 1w too, from Monday) agree exactly; 1s, 3d and 1M are not simulated (-1120). The 15 outages, listing hours,
the reused LUNA, successors, suspensions (CVC, FTT, USDC), odd entries and pairs that only the archive remembers are in
`universe`.

**The clock** is the machine's, or `now` standing still, or `now` ticking. It decides which candles exist, which is
unfinished, what is listed and what the archive has published (days after 1-6 hours, months after 1-3 days).

**The archive** has what is known to be wrong with the real one: months with stale rows of 2020-12-21 and 2021-09-29,
the flat hour of 2020-12-21 14:00, the day files of 2025-04-22 cut short until 2025-05-02. Sizes in the listing are
estimates.

**Control** (JSON; `Exchange` has a method for each):

    POST   /control/faults      a fault or a list of them (see `faults` and `rows`); answers {"ids": […]}
    GET    /control/faults      how often each struck
    DELETE /control/faults      all, or ?id=N
    POST   /control/clock       {"now": ISO, "ticking": false} or {"advance": seconds}
    POST   /control/revise      {"symbol", "open_time": ISO hour, "volume_percent", "high_ticks", "at", "archive"}
    POST   /control/pair        {"symbol", "listed", "delisted", "relisted", "price", "status", "holes": [[start, end]]}
    POST   /control/outage      {"start", "end"}: no candles of any pair
    POST   /control/weight      {"limit", "used", "patience", "ban_seconds", "next_minute"}; GET reads
    POST   /control/latency     {"seconds"}: of every answer, a file too
    GET    /control/requests    ?kind=&symbol=&interval=&period=&status=&fault=&last=: counts, weight, the last requests
    DELETE /control/requests    empty the log
    POST   /control/exchange_info {"recorded": name}: a replay shows a recorded answer as a whole
    POST   /control/reset       as at the start (built files are kept)

**Weight** is counted by the wall clock's minutes (or the exchange's, `weight_clock="virtual"`): beyond the limit 429
with Retry-After, and 418 for a client that sends more than `patience` further requests in that minute.

**Replay** (`replay=DIR`) answers from recordings and synthesises nothing: see `replay`.

**Benchmarks**: `--cache DIR` keeps zips on disk and sends them by sendfile; `--prebuild
BTCUSDT,ETHUSDT:1m:2020-01-01:2025-01-01` builds months before listening (`:daily` at the end: days).
"""

from tests.exchange.runner import Exchange, ExchangeError

__all__ = ["Exchange", "ExchangeError"]
