"""Our own long-running processes: started each in its own session, found again later, and stopped with all descendants.

A process is ours when its environment carries the runtime's id. That also finds what a killed component left behind,
and can never mean somebody else's process.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from include.local.errors import LocalRunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.local.state import State

MARKER = "KLINES_RUNTIME_ID"
COMPONENT = "KLINES_COMPONENT"
LOG_BYTES = 20 * 2**20
RECORD = "processes"
PROC = Path("/proc")
START_FIELD = 19
"""`starttime` of proc(5), counted behind the name, which may hold anything."""
SAME_START_SECONDS = 2.0
"""Without /proc the start is told by the clock, which moves a little as it is set."""


class Processes:
    """The components of one runtime folder, by name."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._id = state.secrets().runtime_id
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def log(self, name: str) -> Path:
        """The file that a component writes its output to."""
        return self.state.logs / f"{name}.log"

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """Start a component in a session of its own; its output is appended to its log."""
        log = self.log(name)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".old.log"))
        # SPT_NOENV: a process title must not overwrite the environment, which tells whose process it is
        marked = dict(environment) | {MARKER: self._id, COMPONENT: name, "SPT_NOENV": "1"}
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                env=marked,
                cwd=self.state.airflow_home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[name] = child
        record = self.state.read(RECORD)
        record[name] = {"pid": child.pid, "started": started_at(child.pid)}
        self.state.write(RECORD, record)

    def find(self, name: str) -> psutil.Process | None:
        """The running component of that name, whoever started it."""
        child = self._children.get(name)
        if child is not None:
            child.poll()  # reaps it when it has ended
        entry: dict[str, Any] = self.state.read(RECORD).get(name, {})
        try:
            process = psutil.Process(int(entry["pid"]))
            if not has_started(process.pid, entry["started"]) or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except (KeyError, psutil.Error):
            return None
        return process

    def was_started(self, name: str) -> bool:
        """Whether a component of that name was started and not stopped by us since."""
        return name in self.state.read(RECORD)

    def wait(self, name: str) -> int:
        """Wait for a process this object started, forget it, and return its exit code."""
        code = self._children.pop(name).wait()
        record = self.state.read(RECORD)
        record.pop(name, None)
        self.state.write(RECORD, record)
        return code

    def check(self, names: Iterable[str]) -> None:
        """Raise LocalRunError, with the end of its log, where a component has died."""
        for name in names:
            if self.find(name) is None:
                raise LocalRunError(
                    f"{name} has ended unexpectedly; the end of {self.log(name)} says:\n{self.tail(name)}"
                )

    def tail(self, name: str, lines: int = 15) -> str:
        """The last lines of a component's log."""
        try:
            with self.log(name).open("rb") as file:
                file.seek(max(0, self.log(name).stat().st_size - 16_384))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def ours(self, keep: str | None = None, only: str | None = None) -> list[psutil.Process]:
        """Every process of this runtime, components and what they started, but for the component `keep`."""
        return [process for process in psutil.process_iter() if self._is_ours(process, keep, only)]

    def stop(self, seconds: float = 6, *, keep: str | None = None, only: str | None = None) -> int:
        """End every process of this runtime (but `keep`, or `only` that): politely, then by force. Returns how many."""
        found = self.ours(keep, only)
        _signal(found, signal.SIGTERM)
        psutil.wait_procs(found, timeout=seconds, callback=self._reap)
        while left := self.ours(keep, only):  # also what was started meanwhile
            _signal(left, signal.SIGKILL)
            psutil.wait_procs(left, timeout=5, callback=self._reap)
        for name in [name for name in self._children if name != keep and only in (None, name)]:
            self._children.pop(name).wait()
        record = self.state.read(RECORD)
        self.state.write(RECORD, {name: record[name] for name in record if name == keep or only not in (None, name)})
        return len(found)

    def _reap(self, process: psutil.Process) -> None:
        for child in self._children.values():
            if child.pid == process.pid:
                child.poll()

    def _is_ours(self, process: psutil.Process, keep: str | None, only: str | None) -> bool:
        if process.pid == os.getpid():
            return False
        # A child that was started this moment does not show its environment yet.
        children = {each.pid: name for name, each in self._children.items() if each.poll() is None}
        child = children.get(process.pid)
        try:
            environment = {} if child else process.environ()
            component = child or environment.get(COMPONENT)
            chosen = (keep is None or component != keep) and only in (None, component)
            marked = (child is not None or environment.get(MARKER) == self._id) and chosen
            return marked and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            return False  # another user's process, or gone


def started_at(pid: int) -> str | float | None:
    """What tells a process from a later one with the same id, to be kept as JSON; None where there is no such process.

    Where there is /proc: the machine's boot and the clock ticks since, which nothing changes. Elsewhere seconds since
    1970, which psutil corrects as the clock is set.
    """
    try:
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return f"{_boot()} {fields[START_FIELD]}"
    except OSError:
        pass
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def has_started(pid: int, recorded: object) -> bool:
    """Whether the process with that id is the one of which `started_at` was recorded."""
    started = started_at(pid)
    if isinstance(started, float) and isinstance(recorded, float):
        return abs(started - recorded) < SAME_START_SECONDS
    return started is not None and started == recorded


def _boot() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # some sandboxes have none
        return "boot"


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
