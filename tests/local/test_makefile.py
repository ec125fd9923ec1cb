from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from include.klines.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "postgresql://me:s$HOME$$3cret@host/market"


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *words], cwd=ROOT, env=own | environment, capture_output=True, text=True, check=False
    )


def test_an_address_with_a_password_is_refused_as_an_argument_and_not_shown() -> None:
    done = make("-n", "run", f"MARKET_DB_URL={ADDRESS}")
    assert done.returncode == 2
    assert "write MARKET_DB_URL='postgresql://…' make run" in done.stderr
    assert "cret" not in done.stdout + done.stderr


def test_words_are_arguments_of_make_and_not_what_else_stands_in_the_environment() -> None:
    others = {"SOURCE": "junk", "END": "2030", "TIER": "core", "LIMIT": "7", "SYMBOLS": "BTC", "START": "now"}
    assert run_by(make("-n", "run", **others)) == []
    assert run_by(make("-n", "-e", "run", **others)) == []
    words = ["SYMBOLS=BTC, ETH", "START=2020-01-01", "SOURCE=it's", "EXCHANGE=simulated"]
    assert run_by(make("-n", "run", *words, "TIER=", **others)) == words


def test_the_exchange_may_come_from_the_environment_and_an_argument_goes_first(tmp_path: Path) -> None:
    asking = tmp_path / "Makefile"
    asking.write_text('include Makefile\nasked:\n\t@printf "%s" "$$EXCHANGE"\n')
    address = "http://host:1/$HOME"
    assert make("-f", str(asking), "asked", EXCHANGE=address).stdout == address
    assert run_by(make("-n", "run", EXCHANGE=address)) == []
    assert run_by(make("-n", "run", "EXCHANGE=binance", EXCHANGE=address)) == ["EXCHANGE=binance"]


def run_by(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The words that the program of `make run` gets."""
    ((_, words),) = (line.split("include.local run", 1) for line in done.stdout.splitlines() if "include.local" in line)
    return shlex.split(words)


def test_an_address_in_the_environment_arrives_as_it_is(tmp_path: Path) -> None:
    asking = tmp_path / "Makefile"
    asking.write_text('include Makefile\nasked:\n\t@printf "%s" "$$MARKET_DB_URL"\n')
    assert make("-f", str(asking), "asked", MARKET_DB_URL=ADDRESS).stdout == ADDRESS
