"""`python -m include.local run|stop|status|report [NAME=value …]`, behind `make run`, `stop`, `status` and `report`.

`python -m include.local airflow …` is a command of Airflow's, as in `airflow dags list`, for the one of `make run`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from include.klines.errors import InvalidRequest, KlinesError
from include.local import commands
from include.local.load_request import parse
from include.local.lock import AlreadyRunning
from include.local.state import State

if TYPE_CHECKING:
    from types import FrameType

USAGE = "usage: python -m include.local run|stop|status|report [NAME=value …], or airflow COMMAND …"
OTHERS = {"stop": commands.stop, "status": commands.status, "report": commands.write_report}


def main(arguments: list[str]) -> int:
    """Exit code 0: done; 1: it or the load failed; 2: the request is wrong; 3: another one is running; 130: Ctrl-C."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    if not arguments or arguments[0] not in ("run", "airflow", *OTHERS):
        console.print(escape(USAGE))
        return 2
    command, *words = arguments
    state = State()
    _interrupt_on(signal.SIGTERM, signal.SIGHUP)
    try:
        if command == "run":
            return commands.run(state, parse(words, dict(os.environ)), console)
        if command == "airflow":
            return commands.airflow(state, words, console)
        return OTHERS[command](state, console)
    except AlreadyRunning as error:
        console.print(escape(str(error)), soft_wrap=True)
        return 3
    except InvalidRequest as error:
        console.print(escape(str(error)), soft_wrap=True)
        return 2
    except KlinesError as error:
        console.print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130


def _interrupt_on(*numbers: signal.Signals) -> None:
    """Treat these signals like Ctrl-C, unless they are ignored (as nohup does)."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in numbers:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, interrupt)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
