from __future__ import annotations

import os
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


def test_an_address_in_the_environment_arrives_as_it_is(tmp_path: Path) -> None:
    asking = tmp_path / "Makefile"
    asking.write_text('include Makefile\nasked:\n\t@printf "%s" "$$MARKET_DB_URL"\n')
    assert make("-f", str(asking), "asked", MARKET_DB_URL=ADDRESS).stdout == ADDRESS
