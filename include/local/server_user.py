"""The operating-system user that runs PostgreSQL, which refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.local.errors import LocalRunError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ServerUser:
    """`uid` and `gid` are None when the server runs as the user who starts it."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def current(cls) -> ServerUser:
        """The calling user; for root, `nobody`, since PostgreSQL looks its user up in the password file."""
        if os.geteuid() != 0:
            return cls()
        try:
            entry = pwd.getpwnam("nobody")
        except KeyError as error:
            raise LocalRunError(
                "PostgreSQL does not run as root and this machine has no user `nobody`: start as another user."
            ) from error
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def switches(self) -> bool:
        """Whether the server runs as another user than the caller."""
        return self.uid is not None

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program as this user, from / (a folder everybody may enter), without PG* variables."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        environment |= {"LC_ALL": "C", "TZ": "UTC"}
        if self.switches:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": [], "umask": 0o077}
        return subprocess.run(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, text=True, check=False, **options
        )

    def own(self, path: Path) -> None:
        """Give a file or folder to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def can_execute(self, program: str) -> bool:
        """Whether this user may run a program, tried with --version."""
        try:
            return self.run([program, "--version"], capture_output=True, timeout=30).returncode == 0
        except OSError:
            return False

    def can_write(self, folder: Path) -> bool:
        """Whether this user may enter a folder and make files in it."""
        shell = shutil.which("sh") or "/bin/sh"
        check = 'cd "$1" && test -w .'
        return self.run([shell, "-c", check, "sh", str(folder)], capture_output=True).returncode == 0
