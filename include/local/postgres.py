"""An embedded PostgreSQL server: its own data folder, one port on 127.0.0.1, a password, nothing shared.

Only the programs of an installation are used; initdb and pg_ctl are driven from here, so it works the same with the
system's PostgreSQL and with a wheel's, as root and as an ordinary user.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil
import psycopg

from include.local.binaries import WHEEL_PACKAGE, Binaries, find_binaries
from include.local.errors import LocalRunError
from include.local.ports import LOOPBACK, free_port
from include.local.server_user import ServerUser

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER = "postgres"
START_SECONDS = 300
SETTINGS = {
    "max_connections": "150",
    "max_locks_per_transaction": "256",  # a transaction may touch every partition of several series
    "max_wal_size": "2GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "jit": "off",
    "tcp_keepalives_idle": "60",  # the locks of a client whose machine is gone end in two minutes, not two hours
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def memory_settings() -> dict[str, str]:
    """An eighth of the machine's memory for the server's cache, at least 128 MB and at most 1 GB."""
    megabytes = psutil.virtual_memory().total // 2**20
    settings = {
        "shared_buffers": f"{min(max(megabytes // 8, 128), 1024)}MB",
        "effective_cache_size": f"{max(megabytes // 2, 512)}MB",
    }
    shared = Path("/dev/shm")
    if not shared.is_dir() or shutil.disk_usage(shared).total < 512 * 2**20:
        settings["dynamic_shared_memory_type"] = "mmap"  # containers give 64 MB, too little for parallel scans
    return settings


class PostgresServer:
    """One server in `folder`, which holds data/, server.log and, for root with a private venv, a copy of the programs.

    `password` is the superuser's, fixed when the data folder is made. The port stays the same where it is free.
    """

    def __init__(
        self,
        folder: Path,
        password: str,
        *,
        settings: Mapping[str, str] | None = None,
        preferred_port: int | None = None,
        choice: str | None = None,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.password = password
        self.port = preferred_port
        self._settings = SETTINGS | memory_settings() | dict(settings or {})
        self._choice = choice
        self._user = ServerUser.current()
        self._binaries: Binaries | None = None

    def dsn(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """The address of a database on this server; the password is the superuser's where none is given."""
        secret = quote(password if password is not None else self.password, safe="")
        return f"postgresql://{user}:{secret}@{LOOPBACK}:{self.port}/{database}"

    @property
    def binaries(self) -> Binaries:
        """The programs this server runs with, readable by its user."""
        if self._binaries is None:
            self._binaries = self._reachable(find_binaries(self._choice, data_major=self._data_major()))
        return self._binaries

    def pid(self) -> int | None:
        """The process id of this folder's running server, or None; a stale postmaster.pid counts as not running."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            process = psutil.Process(int(lines[0]))
            if process.status() == psutil.STATUS_ZOMBIE or not self._is_ours(process):
                return None
            self.port = int(lines[3])
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        return int(process.pid)

    def has_ended(self, seconds: float) -> bool:
        """Whether the server does not run, or ends within so many seconds."""
        deadline = time.monotonic() + seconds
        while self.pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def start(self) -> None:
        """Make the data folder if there is none, and start the server if it does not run. Returns when it answers."""
        if self._answers():
            return
        self._make_folder()
        if not (self.data / "PG_VERSION").exists():
            self._initdb()
        self._end_orphans()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for attempt in range(3):
            self.port = free_port(self.port if attempt == 0 else None)
            started = self._pg_ctl("start", "-w", "-t", str(START_SECONDS), "-l", str(self.log), "-o", self._options())
            if started == 0:
                return
            if "Address already in use" not in self.log_tail():
                break
        raise LocalRunError(f"PostgreSQL did not start; the end of {self.log} says:\n{self.log_tail()}")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; connections are cut, committed data are kept. `mode` is pg_ctl's."""
        if self.pid() is None:
            self._end_orphans()
            return
        if self._pg_ctl("stop", "-w", "-m", mode, "-t", "60") != 0 and self.pid() is not None:
            self._pg_ctl("stop", "-w", "-m", "immediate", "-t", "30")

    def log_tail(self, lines: int = 12) -> str:
        """The last lines of the server's log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def _answers(self) -> bool:
        """Wait while a running server is still starting or being killed; False once no process is left."""
        deadline = time.monotonic() + START_SECONDS
        while self.pid() is not None:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
                return True
            except psycopg.OperationalError as error:
                if "password" in str(error):
                    raise LocalRunError(f"{self.folder} was made with another password: {error}") from error
                if time.monotonic() > deadline:
                    raise LocalRunError(f"PostgreSQL in {self.folder} runs, but does not answer: {error}") from error
                time.sleep(0.1)
        return False

    def _options(self) -> str:
        settings = self._settings | {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        return " ".join(f"-c {name}={value}" for name, value in settings.items())

    def _pg_ctl(self, action: str, *arguments: str) -> int:
        command = [self.binaries.program("pg_ctl"), action, "-D", str(self.data), *arguments]
        with (self.folder / "pg_ctl.log").open("a") as output:
            return self._user.run(command, stdout=output, stderr=output).returncode

    def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.folder.stat().st_uid != os.geteuid() and not self._user.switches:
            raise LocalRunError(f"{self.folder} belongs to another user: start as that user, or move the folder away.")
        self.folder.chmod(0o700)
        self._user.own(self.folder)
        if not self._user.can_write(self.folder):
            raise LocalRunError(
                f"PostgreSQL runs as `nobody` here and cannot reach {self.folder}: a parent folder is closed to it."
            )

    def _initdb(self) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.folder)
        password_file = Path(name)
        fresh = self.folder / "data.new"
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(self.password)
            self._user.own(password_file)
            arguments = ["--no-locale", "-E", "UTF8", "-U", SUPERUSER, "-A", "scram-sha-256", "--pwfile", name]
            sync = ["--no-sync"] if self._settings.get("fsync") == "off" else []
            shutil.rmtree(fresh, ignore_errors=True)  # half made by an initdb that was killed
            command = [self.binaries.program("initdb"), "-D", str(fresh), *arguments, *sync]
            made = self._user.run(command, capture_output=True)
        finally:
            password_file.unlink()
        if made.returncode != 0:
            raise LocalRunError(f"initdb could not make {self.data}:\n{made.stderr.strip()}")
        fresh.rename(self.data)

    def _data_major(self) -> int | None:
        try:
            return int((self.data / "PG_VERSION").read_text())
        except (OSError, ValueError):
            return None

    def _reachable(self, binaries: Binaries) -> Binaries:
        """The same programs, copied beside the data where the server's user may not enter the virtual environment."""
        if self._user.can_execute(binaries.program("postgres")):
            return binaries
        package = next((parent for parent in binaries.folder.parents if parent.name == WHEEL_PACKAGE), None)
        if package is None:
            raise LocalRunError(f"PostgreSQL runs as `nobody` here, who may not execute {binaries.folder}/postgres.")
        self._make_folder()
        inner = binaries.folder.relative_to(package)
        facts = Path(binaries.program("postgres")).stat()
        target = self.folder / f"programs-{binaries.major}-{facts.st_size}-{facts.st_mtime_ns}"
        copied = Binaries(target / WHEEL_PACKAGE / inner, binaries.major, binaries.origin)
        if not self._user.can_execute(copied.program("postgres")):
            self._copy_programs(package, inner.parts[0], target)
        return copied

    def _copy_programs(self, package: Path, install: str, target: Path) -> None:
        """Copy an installation and the libraries beside it, which it finds by its place; whole or not at all."""
        partial = target.with_name(f"{target.name}.part")
        for old in (partial, target):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(package / install, partial / WHEEL_PACKAGE / install)
        libraries = package.with_name(f"{WHEEL_PACKAGE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name)
        for folder, _, files in os.walk(partial):
            for name in [".", *files]:
                self._user.own(Path(folder) / name)
        partial.rename(target)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.name().startswith("postgres") and Path(process.cwd()) == self.data.resolve()
        except psutil.AccessDenied:
            return False

    def _end_orphans(self) -> None:
        """End backends whose postmaster was killed: they hold the shared memory that a new server needs."""
        if not self.data.exists():
            return
        orphans = [process for process in psutil.process_iter() if self._is_ours_or_gone(process)]
        for process in orphans:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(orphans, timeout=10)

    def _is_ours_or_gone(self, process: psutil.Process) -> bool:
        try:
            return self._is_ours(process)
        except psutil.Error:
            return False
