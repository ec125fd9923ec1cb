"""`python -m tests.exchange`: the simulated exchange as a program, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from tests.exchange.server import Server
from tests.exchange.state import Options, State, moment


def main() -> int:
    """Parse the command line and serve."""
    arguments = _parser().parse_args()
    options = Options(
        now=moment(arguments.now),
        ticking=arguments.ticking,
        replay=arguments.replay,
        extended=arguments.extended,
        weight_limit=arguments.weight_limit,
        weight_clock=arguments.weight_clock,
        latency=arguments.latency_ms / 1000,
        cache=arguments.cache,
    )
    try:
        state = State(options)
    except ValueError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    for order in arguments.prebuild:
        symbols, intervals, start, end, *daily = order.split(":")
        files = state.files.prebuild(
            symbols.split(","), intervals.split(","), start, end, state.now, monthly=daily != ["daily"]
        )
        print(f"built {files} files for {order}", file=sys.stderr, flush=True)
    asyncio.run(_serve(state, arguments.port, arguments.port_file))
    return 0


async def _serve(state: State, port: int, port_file: Path | None) -> None:
    server = Server(state)
    port = await server.start("127.0.0.1", port)
    if port_file:
        temporary = port_file.with_name(f"{port_file.name}.new")
        temporary.write_text(f"{port}\n")
        temporary.replace(port_file)
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.exchange", description="A simulated Binance on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 (default): one the system chooses")
    parser.add_argument("--port-file", type=Path, help="write the port here once it listens")
    parser.add_argument("--now", help="the exchange's clock, ISO and UTC; default: the machine's, or a replay's own")
    parser.add_argument("--ticking", action="store_true", help="let the clock of --now run on")
    parser.add_argument(
        "--replay", type=Path, metavar="DIR", help="answer from recordings instead of simulated candles"
    )
    parser.add_argument("--extended", type=int, default=0, metavar="N", help="N further pairs")
    parser.add_argument("--weight-limit", type=int, default=6000, help="request weight a minute")
    parser.add_argument("--weight-clock", choices=("wall", "virtual"), default="wall", help="whose minutes count")
    parser.add_argument("--latency-ms", type=float, default=0, help="how long each answer takes, a file too")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep built zips here and send them from disk")
    parser.add_argument(
        "--prebuild",
        action="append",
        default=[],
        metavar="SYMBOLS:INTERVALS:START:END[:daily]",
        help="build these monthly files before listening, such as BTCUSDT,ETHUSDT:1m:2020-01-01:2025-01-01",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
