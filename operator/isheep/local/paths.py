"""The folder of a run on this machine, which contains its lock and its workers' logs.

The folder is `$XDG_STATE_HOME/isheep/<run uid>/`. The uid is computed from the store, the namespace
and the name. So the same run always has the same folder, and runs in two stores have two folders.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NAMESPACE = uuid.UUID("6f1c3a64-5b0b-5d0e-9a0f-0d6f7c5b2a11")
KEPT_LOGS = 40


def run_uid(store_uri: str, namespace: str, name: str) -> str:
    """Return the uid of a run without an API server; the same arguments give the same uid."""
    return str(uuid.uuid5(_NAMESPACE, f"{store_uri}\n{namespace}\n{name}"))


@dataclass(frozen=True, slots=True)
class LocalPaths:
    """The files of one run on this machine."""

    folder: Path

    @classmethod
    def of(cls, uid: str, environment: Mapping[str, str]) -> LocalPaths:
        """Return the paths of a run."""
        state = environment.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111  unlike Path.expanduser, it does not fail if there is no home
        return cls(Path(state) / "isheep" / uid)

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.folder / "lock"

    @property
    def logs(self) -> Path:
        """The folder of the workers' logs."""
        return self.folder / "logs"

    def delete_old_logs(self) -> None:
        """Delete all logs but the newest `KEPT_LOGS`."""
        if not self.logs.is_dir():
            return
        for log in sorted(self.logs.glob("*.log"))[:-KEPT_LOGS]:
            log.unlink(missing_ok=True)
