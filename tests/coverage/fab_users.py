"""`python -m tests.coverage.fab_users JSON`: users of the FAB auth manager, by name: [password, role].

The role `other` may read the Dag `another` and nothing else.
"""

from __future__ import annotations

import json
import sys


def main(users: dict[str, list[str]]) -> None:
    """Make them, in one process: Airflow takes seconds to start."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        other = manager.add_role("other")
        manager.add_permission_to_role(other, manager.create_permission("can_read", "DAG:another"))
        for name, (password, role) in users.items():
            assert manager.add_user(
                name, name, "test", f"{name}@example.com", manager.find_role(role), password=password
            )  # fmt: skip


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
