"""The runtime's own folder: `.run/` in the checkout, or the folder that KLINES_STATE names.

It can be deleted while nothing runs. That loses the embedded databases, the candles that the prune put into `cold/`
(besides Binance the only copy) and the `reports/`. Root's databases may be elsewhere: see postgres_folder.py.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.klines.settings import ROOT
from include.local.errors import LocalRunError

STATE_VARIABLE = "KLINES_STATE"
ADMIN = "admin"


@dataclass(frozen=True)
class Secrets:
    """Random, made once; kept in `.run/secrets.json`, which only its owner can read."""

    runtime_id: str
    postgres: str
    airflow: str
    market_writer: str
    backtester: str
    jwt: str
    session: str
    fernet: str

    @classmethod
    def generate(cls) -> Secrets:
        """New random secrets."""
        fernet = base64.urlsafe_b64encode(os.urandom(32)).decode()
        random = {name: secrets.token_urlsafe(48) for name in cls.__annotations__}
        return cls(**random | {"runtime_id": secrets.token_hex(8), "fernet": fernet})


class State:
    """Paths and small records in the runtime's folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or Path(os.environ.get(STATE_VARIABLE) or ROOT / ".run")).resolve()

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME of the components."""
        return self.folder / "airflow"

    @property
    def logs(self) -> Path:
        """One log a component."""
        return self.folder / "logs"

    @property
    def lock(self) -> Path:
        """Held by the process that starts or stops the runtime."""
        return self.folder / "lock"

    @property
    def password_file(self) -> Path:
        """User name to password of the UI; Airflow reads it, and whoever owns it may change it."""
        return self.folder / "ui-password.json"

    def exists(self) -> bool:
        """Whether a run was ever started here."""
        return (self.folder / "secrets.json").exists()

    def prepare(self) -> None:
        """Make the folder; others may pass through it (the database server's user must), but not list it."""
        try:
            for folder in (self.folder, self.airflow_home, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o711)
            self.airflow_home.chmod(0o700)
            self.logs.chmod(0o700)
        except OSError as error:
            raise LocalRunError(
                f"{self.folder} cannot be written ({error.strerror}): start as the user who made it, "
                f"or name another folder in {STATE_VARIABLE}."
            ) from error

    def secrets(self) -> Secrets:
        """The secrets of this folder, made at the first call."""
        path = self.folder / "secrets.json"
        if not path.exists():
            write_private(path, json.dumps(vars(Secrets.generate())))
        try:
            return Secrets(**json.loads(path.read_text()))
        except (OSError, TypeError, ValueError) as error:
            raise LocalRunError(
                f"{path} cannot be read: restore it, or move {self.folder} away to start anew."
            ) from error

    def ui_password(self) -> tuple[str, bool]:
        """The UI's password for `admin`, and whether it was made just now."""
        if not self.password_file.exists():
            write_private(self.password_file, json.dumps({ADMIN: secrets.token_urlsafe(12)}) + "\n")
            return self.ui_password()[0], True
        try:
            return str(json.loads(self.password_file.read_text())[ADMIN]), False
        except (OSError, KeyError, ValueError) as error:
            raise LocalRunError(
                f"{self.password_file} names no password for {ADMIN}: delete it, a new one is made."
            ) from error

    def read(self, name: str) -> dict[str, Any]:
        """A record written by `write`; empty where there is none, or where writing it was cut off."""
        try:
            record = json.loads((self.folder / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def write(self, name: str, record: dict[str, Any]) -> None:
        """Replace a record in one step."""
        write_private(self.folder / f"{name}.json", json.dumps(record, indent=1))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)
