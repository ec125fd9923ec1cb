"""Makes .venv and installs requirements.txt into it: `python3 include/local/install.py .venv`.

Runs on the machine's own python3 before anything is installed: only the standard library, nothing of this project.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
UV = "uv==0.13.9"  # installs in seconds what takes pip minutes; where it cannot work, pip does the same
ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS, CONSTRAINTS = ROOT / "requirements.txt", ROOT / "constraints.txt"
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}


def main(venv: Path) -> int:
    """Install unless the stamp in the environment says that it is done; returns the exit code."""
    base = find_python()
    if base is None:
        found = ".".join(map(str, sys.version_info[:2]))
        print(
            f"Python 3.11, 3.12 or 3.13 is needed, this is {found}: install one, or name it: make PYTHON=python3.12 …"
        )
        return 1
    with REQUIREMENTS.open() as lock:  # two at once take turns
        fcntl.flock(lock, fcntl.LOCK_EX)
        return prepare(base, venv)


def prepare(base: str, venv: Path) -> int:
    """Bring the environment to the pinned state; returns the exit code."""
    stamp, wanted = venv / ".installed", fingerprint()
    if stamp.exists() and stamp.read_text() == wanted and works(venv):
        stamp.touch()
        return 0
    started = time.monotonic()
    print(f"installing requirements.txt into {venv}, which takes some minutes on a slow line", flush=True)
    trouble = make_venv(base, venv) or install(venv)
    if trouble:
        print(trouble)
        return 1
    stamp.write_text(wanted)
    print(f"installed in {time.monotonic() - started:.0f} s", flush=True)
    return 0


def find_python() -> str | None:
    """The running Python, or the newest supported one on PATH, or None."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    found = (shutil.which(name) for name in names)
    return next((path for path in found if path and run([path, "--version"]) is None), None)


def fingerprint() -> str:
    """Of everything that decides what gets installed."""
    digest = hashlib.sha256(UV.encode())
    for path in (REQUIREMENTS, CONSTRAINTS):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_venv(base: str, venv: Path) -> str | None:
    """Make the environment, with pip in it; returns what is wrong, or None."""
    inside = python_of(venv)
    if works(venv) and run([inside, "-m", "pip", "--version"]) is None:
        return None
    if run([base, "-m", "venv", "--clear", str(venv)]) is None:
        return None
    # Debian keeps ensurepip in a package of its own; an environment can be made without it, and pip put into it.
    if run([base, "-m", "venv", "--clear", "--without-pip", str(venv)]) is None:
        if run([base, "-m", "pip", "--python", inside, "install", "--quiet", "pip"]) is None:
            return None
        if run(["uv", "pip", "install", "--quiet", "--python", inside, "pip"]) is None:
            return None
    if run([base, "-m", "virtualenv", "--quiet", str(venv)]) is None:
        return None
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    return f"This Python cannot make a virtual environment: on Debian and Ubuntu, `apt install {package}` helps."


def install(venv: Path) -> str | None:
    """Install with uv, else with pip; returns what is wrong, or None."""
    inside = python_of(venv)
    pip = [inside, "-m", "pip", "--disable-pip-version-check"]
    wanted = ["-r", str(REQUIREMENTS), "-c", str(CONSTRAINTS)]
    if run([*pip, "install", "--quiet", UV]) is None:
        uv = [str(Path(inside).with_name("uv")), "pip", "install", "--quiet", "--python", inside]
        uv.append("--compile-bytecode")  # as pip does, once and on all cores: not in each process of the first run
        trouble = run([*uv, *wanted], as_pip_is_configured(pip))
        if trouble is None:
            return None
        print(f"uv could not install it ({trouble.splitlines()[-1].strip()}); trying pip", flush=True)
    trouble = run([*pip, "install", "--quiet", *wanted])
    return None if trouble is None else f"The requirements could not be installed:\n{trouble}"


def as_pip_is_configured(pip: list[str]) -> dict[str, str]:
    """The environment in which uv uses pip's index, wheel folders and certificates; uv's own settings go first."""
    settings = {}
    listed = subprocess.run([*pip, "config", "list"], stdout=subprocess.PIPE, text=True, check=False)
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        name = UV_NAMES.get(key.rpartition(".")[2])
        if name:
            parts = value.strip("'\"").replace("\\n", " ").split()
            settings[name] = (" " if name == "UV_INDEX" else ",").join(parts)
    if "UV_INDEX" in settings:
        settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does: the best version of all indexes
    return settings | dict(os.environ)


def run(command: list[str], environment: dict[str, str] | None = None) -> str | None:
    """Run a command; returns None when it worked, else what it said."""
    try:
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError as error:
        return str(error)
    return None if done.returncode == 0 else done.stdout.strip() or f"exit code {done.returncode}"


def works(venv: Path) -> bool:
    """Whether the environment's Python starts and is a supported one."""
    check = f"import sys; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"
    return run([python_of(venv), "-c", check]) is None


def python_of(venv: Path) -> str:
    """The environment's Python."""
    return str(venv.absolute() / "bin" / "python")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
