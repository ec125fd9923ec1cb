from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tests.exchange import Exchange
from tests.exchange_tests.ask import file_path, get, klines

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[2]
NOW = "2026-01-15T00:30:00Z"


def test_the_program_says_where_it_listens_and_stops_on_sigterm(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "tests.exchange", "--now", NOW, "--port-file", str(port_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        line = child.stdout.readline().strip()
        assert line == f"listening on http://127.0.0.1:{port_file.read_text().strip()}"
        assert requests.get(f"{line.split()[-1]}/api/v3/time", timeout=10).json() == {"serverTime": 1_768_437_000_000}
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0


def test_a_process_of_its_own_answers_like_a_thread(exchange: Exchange) -> None:
    with Exchange(now=NOW, process=True) as other:
        path = file_path("BTCUSDT", "1h", "2022-02")
        assert get(other, path).content == get(exchange, path).content
        assert other.count(kind="archive") == 1


def test_one_connection_serves_many_requests_and_bad_ones_end_it(exchange: Exchange) -> None:
    with requests.Session() as session:
        answers = [session.get(f"{exchange.url}/api/v3/ping", timeout=10) for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}
    assert exchange.summary()["most_at_once"] == {"ping": 1}


def test_zips_on_disk_are_built_once_and_outlive_the_exchange(tmp_path: Path) -> None:
    path = file_path("ETHUSDT", "1h", "2023-01")
    with Exchange(now=NOW, cache=tmp_path) as first:
        content = get(first, path).content
        assert get(first, path).content == content
    (kept,) = tmp_path.rglob("*.zip")
    written = kept.stat().st_mtime_ns
    with Exchange(now=NOW, cache=tmp_path) as second:
        assert get(second, path).content == content
    assert kept.stat().st_mtime_ns == written


def test_files_can_be_built_before_they_are_asked_for(tmp_path: Path) -> None:
    orders = ["BTCUSDT,ETHUSDT:1h,1d:2023-01-01:2023-04-01", "BTCUSDT:1d:2023-01-01:2023-01-08:daily"]
    with Exchange(now=NOW, cache=tmp_path, process=True, prebuild=orders):
        assert len(list(tmp_path.rglob("*.zip"))) == 2 * 2 * 3 + 7


def test_a_ticking_clock_goes_on_and_a_standing_one_does_not() -> None:
    with Exchange(now=NOW, ticking=True) as ticking, Exchange(now=NOW) as standing:
        for _ in range(2):
            klines(standing, "BTCUSDT", "1h", "2024-01-01", "2024-02-01")
        assert get(ticking, "/api/v3/time").json()["serverTime"] > 1_768_437_000_000
        assert get(standing, "/api/v3/time").json()["serverTime"] == 1_768_437_000_000


def test_the_machines_time_zone_changes_nothing(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_path("BTCUSDT", "1d", "2023-03")
    here = get(exchange, path).content
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        assert os.environ["TZ"] == "Pacific/Kiritimati"
        with Exchange(now=NOW) as abroad:
            assert get(abroad, path).content == here
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_program_refuses_an_empty_replay_in_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.exchange", "--replay", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("Nothing to replay: ")
    assert len(ended.stderr.splitlines()) == 1
