"""Where the embedded server keeps its data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from include.local.server_user import ServerUser

if TYPE_CHECKING:
    from include.local.state import State

SYSTEM_FOLDER = Path("/var/lib")


def postgres_folder(state: State) -> Path:
    """`.run/postgres`; for root in a checkout that other users cannot enter, a folder of its own under /var/lib."""
    recorded = state.read("postgres-folder").get("path")
    if recorded:
        return Path(recorded)
    user = ServerUser.current()
    folder = state.folder / "postgres"
    folder.mkdir(parents=True, exist_ok=True)
    user.own(folder)
    if not user.can_write(folder):
        folder.rmdir()
        digest = hashlib.sha256(str(state.folder).encode()).hexdigest()[:12]
        folder = SYSTEM_FOLDER / f"klines-{digest}" / "postgres"
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.chmod(0o711)
    state.write("postgres-folder", {"path": str(folder)})
    return folder
