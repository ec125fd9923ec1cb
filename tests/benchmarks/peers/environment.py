"""Peers in environments of their own, made once and kept outside the tree; their versions are those of <name>.txt."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "klines-benchmarks"


class PeerMissing(Exception):
    """A peer could not be installed here; the sentence says why."""


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment, which is made where there is none of these versions."""
    wanted = HERE / f"{name}.txt"
    folder = CACHE / f"{name}-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    sys.stderr.write(f"installing {name} {version_of(name)} into {folder} …\n")
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv")
    steps: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", folder],
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, "-r", wanted]
        if uv
        else [python, "-m", "pip", "install", "--quiet", "-r", wanted],
    ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerMissing(f"{name} {version_of(name)} could not be installed here: {done.stderr.strip()[-500:]}")
    (folder / "complete").touch()
    return python


def version_of(name: str) -> str:
    """The pinned version of a peer."""
    lines = (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2].split()[0] for line in lines if line.startswith(f"{name}=="))


def program(name: str) -> Path:
    """The runner of a peer: a program for its interpreter, which changes the peer's base address and nothing else."""
    return HERE / f"run_{name}.py"
