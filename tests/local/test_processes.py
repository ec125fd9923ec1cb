from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psutil
import pytest

from include.local import components, lock
from include.local.errors import LocalRunError
from include.local.load_run import Snapshot
from include.local.processes import Processes
from include.local.stall import StallWatch
from include.local.state import State
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.local.airflow_api import AirflowApi

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
# Starts a child in a session of its own, as task runners do, and ignores SIGTERM.
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = 'import time; print(\"ready\", flush=True); time.sleep(600)'\n"
    "subprocess.Popen([sys.executable, '-c', child], start_new_session=True)\n"
    "time.sleep(600)\n",
]
HOLDER = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from include.local.lock import hold\n"
    "with hold(Path(sys.argv[1]), 'run'):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(600)\n"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    state = State(tmp_path / "run")
    state.prepare()
    processes = Processes(state)
    yield processes
    processes.stop(0.2)


def test_stopping_ends_a_component_and_what_it_started_even_in_a_session_of_its_own(processes: Processes) -> None:
    processes.start("stubborn", STUBBORN, os.environ)
    wait_until(lambda: processes.tail("stubborn") == "ready", "both processes")
    assert processes.stop(0.2) == 2
    assert processes.ours() == []


def test_what_a_killed_component_left_behind_is_found_by_another_process(processes: Processes) -> None:
    processes.start("stubborn", STUBBORN, os.environ)
    wait_until(lambda: processes.tail("stubborn") == "ready", "both processes")
    component = processes.find("stubborn")
    assert component is not None
    component.kill()
    component.wait()
    later = Processes(processes.state)
    assert later.find("stubborn") is None
    assert later.stop(0.5) == 1


def test_a_process_of_somebody_else_is_left_alone(processes: Processes, tmp_path: Path) -> None:
    other = State(tmp_path / "other")
    other.prepare()
    theirs = Processes(other)
    theirs.start("sleeper", SLEEPER, os.environ)
    processes.start("sleeper", SLEEPER, os.environ)
    assert processes.stop(1) == 1
    assert theirs.find("sleeper") is not None
    theirs.stop(1)


def test_one_component_can_be_kept(processes: Processes) -> None:
    for name in ("kept", "ended"):
        processes.start(name, SLEEPER, os.environ)
    assert processes.stop(1, keep="kept") == 1
    assert processes.find("kept") is not None
    assert processes.find("ended") is None


def test_a_component_started_this_moment_is_ended_though_its_environment_does_not_show_yet(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes.start("young", SLEEPER, os.environ)
    monkeypatch.setattr(psutil.Process, "environ", lambda process: {})
    assert processes.stop(5) == 1
    assert processes.find("young") is None


def test_a_recycled_process_id_is_not_taken_for_ours(processes: Processes) -> None:
    processes.state.write("processes", {"scheduler": {"pid": os.getpid(), "started": 1.0}})
    assert processes.find("scheduler") is None


@pytest.fixture(params=["with /proc", "without"])
def clock(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the machine's clock forward by seconds, as far as psutil tells the starts of processes by it."""
    if request.param == "without":  # as on macOS
        monkeypatch.setattr("include.local.processes.PROC", tmp_path / "no proc")
    elif not Path("/proc/self/stat").exists():
        pytest.skip("this machine has no /proc")
    told = psutil.Process.create_time

    def set_forward(seconds: float) -> None:
        monkeypatch.setattr(psutil.Process, "create_time", lambda process: told(process) + seconds)

    return set_forward


def test_a_component_is_found_after_the_clock_was_corrected(
    processes: Processes, clock: Callable[[float], None]
) -> None:
    processes.start("scheduler", SLEEPER, os.environ)
    clock(1)
    found = Processes(processes.state).find("scheduler")
    assert found is not None
    processes.check(["scheduler"])


def test_the_next_process_with_the_id_of_a_component_is_not_taken_for_it(
    processes: Processes, clock: Callable[[float], None]
) -> None:
    processes.start("scheduler", SLEEPER, os.environ)
    record = processes.state.read("processes")
    record["scheduler"]["pid"] = os.getpid()
    processes.state.write("processes", record)
    assert processes.find("scheduler") is None


def test_the_holder_of_the_lock_is_known_after_the_clock_was_corrected(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    with lock.hold(tmp_path / "lock", "run"):
        clock(1)
        with pytest.raises(lock.AlreadyRunning) as refused, lock.hold(tmp_path / "lock", "stop"):
            pass
    assert refused.value.pid == os.getpid()


def test_a_component_that_died_is_named_with_the_end_of_its_log(processes: Processes) -> None:
    processes.start("scheduler", [sys.executable, "-c", "raise SystemExit('no database today')"], os.environ)
    wait_until(lambda: processes.find("scheduler") is None, "its end")
    with pytest.raises(LocalRunError, match="no database today"):
        processes.check(["scheduler"])


def test_secrets_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    state = State(tmp_path / "run")
    state.prepare()
    assert state.secrets() == State(tmp_path / "run").secrets()
    password, is_new = state.ui_password()
    assert is_new
    assert state.ui_password() == (password, False)
    for name in ("secrets.json", "ui-password.json"):
        assert (state.folder / name).stat().st_mode & 0o777 == 0o600


def test_the_second_one_says_that_the_first_is_running_and_a_kill_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(lock.AlreadyRunning, match=rf"`make run` is running already \(process {holder.pid}"),
            lock.hold(path, "run"),
        ):
            pass
        holder.kill()
    assert not psutil.pid_exists(holder.pid)
    with lock.hold(path, "run"):
        pass


def test_stopping_says_whether_it_interrupted_a_run(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert lock.interrupt_holder(path, 20)
    assert holder.returncode == -signal.SIGTERM
    assert not lock.interrupt_holder(path, 20)


def test_a_process_that_got_the_id_of_a_killed_holder_is_not_signalled(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(SLEEPER) as bystander, path.open("a+") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)  # as one that has only just started, and not said who it is
        path.write_text(json.dumps({"pid": bystander.pid, "started": 1.0, "what": "run", "since": "long ago"}))
        with pytest.raises(lock.AlreadyRunning, match="only just started") as refused:
            lock.interrupt_holder(path, 0.3)
        assert refused.value.pid is None
        assert bystander.poll() is None
        bystander.kill()


def test_a_run_that_fails_leaves_no_process_id_in_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(LocalRunError), lock.hold(path, "run"):
        raise LocalRunError("no database today")
    assert path.read_text() == ""


class IdleAirflow:
    """Answers for an api-server on which no task runs."""

    def get(self, path: str, **query: object) -> dict[str, int]:
        return {"total_entries": 0}


def test_a_scheduler_that_starts_nothing_for_a_minute_is_started_anew(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "AIRFLOW", {"scheduler": []})
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(components, "start_airflow", lambda _processes, _environment, names: started.append(names))
    now, said = [0.0], list[str]()
    processes.start("scheduler", SLEEPER, os.environ)
    watch = StallWatch(processes, cast("AirflowApi", IdleAirflow()), {}, said.append, lambda: now[0])
    for now[0], idle in ((0.0, True), (30.0, False), (40.0, True), (99.0, True)):
        watch(Snapshot("running", idle=idle))
    assert not started
    now[0] = 100.0
    watch(Snapshot("running", idle=True))
    assert started == [("scheduler",)]
    assert "starting the scheduler anew" in said[0]
    assert processes.find("scheduler") is None
