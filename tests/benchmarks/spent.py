"""What a command costs: wall seconds, CPU seconds, peak memory; and the CPU seconds of a server beside it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class CommandFailed(Exception):
    """A measured command did not end well; the sentence holds the end of what it said."""


@dataclass(frozen=True)
class Spent:
    """`wall` and `cpu` in seconds; `peak` is the most resident memory of one process, MB."""

    wall: float
    cpu: float
    peak: float
    output: str


def spend(
    commands: Sequence[Sequence[str | Path]], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Spent:
    """Run commands side by side to their ends; CommandFailed where one fails. The CPU of their children counts too."""
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / str(number) for number in range(len(commands))]
        started = time.perf_counter()
        children = []
        for command, log in zip(commands, logs, strict=True):
            with log.open("wb") as sink:
                children.append(subprocess.Popen(command, stdout=sink, stderr=sink, cwd=cwd, env=env and dict(env)))
        peaks = dict.fromkeys([child.pid for child in children], 0.0)
        ended = threading.Event()
        watch = threading.Thread(target=_watch_memory, args=(peaks, ended), daemon=True)
        watch.start()
        usages = [os.wait4(child.pid, 0)[1:] for child in children]
        wall = time.perf_counter() - started
        ended.set()
        watch.join()
        said = [log.read_text(encoding="utf-8", errors="replace") for log in logs]
    for child, (status, _) in zip(children, usages, strict=True):
        child.returncode = os.waitstatus_to_exitcode(status)
    for child, text in zip(children, said, strict=True):
        if child.returncode:
            raise CommandFailed(f"{' '.join(map(str, child.args))} failed:\n{text[-3000:]}")
    cpu = sum(usage.ru_utime + usage.ru_stime for _, usage in usages)
    return Spent(wall, cpu, max(peaks.values()), "\n".join(said))


def _watch_memory(peaks: dict[int, float], ended: threading.Event) -> None:
    """Keep each process's high-water mark, MB. Its ru_maxrss would count the process that started it."""
    while not ended.wait(0.1):
        for pid in peaks:
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
            marks = [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")]
            peaks[pid] = max(peaks[pid], *marks, 0.0)


@contextmanager
def cpu_of(root: int) -> Iterator[list[float]]:
    """The CPU seconds that a process and its descendants spend meanwhile: the list's one item, at the end."""
    found: list[float] = []
    before = _tree(root)
    yield found
    found.append(_tree(root) - before)


def _tree(root: int) -> float:
    total = 0.0
    process = psutil.Process(root)
    for each in [process, *process.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it has just ended, and its parent has its seconds among those of its children
        total += times.user + times.system + times.children_user + times.children_system
    return total
