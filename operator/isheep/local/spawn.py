"""How worker processes start: their variables, and where their logs go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isheep.local.worker import Inbox, Worker


@dataclass(frozen=True, slots=True)
class WorkerSpawn:
    """Starts worker processes for a pool.

    `next_log` returns the log file of the next process, or None if its log goes to this process's
    stderr. The processes inherit the file descriptors of `inherit`.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    inbox: Inbox
    next_log: Callable[[], Path | None]
    inherit: Sequence[int] = ()

    def __call__(self, devices: Sequence[str], index: int, count: int, *, warm: bool) -> Worker:
        """Start a process (a `pool.Spawn`)."""
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(devices)} if devices else {}
        # The variables are those of the pods of a Job.
        share = {"JOB_COMPLETION_INDEX": str(index), "ISHEEP_WORKERS": str(count)}
        warming = {"ISHEEP_WARM": "1"} if warm else {}
        return Worker(
            self.command,
            environment={**self.environment, **visible, **share, **warming},
            log=self.next_log(),
            inbox=self.inbox,
            inherit=self.inherit,
        )
