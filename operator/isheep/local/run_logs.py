"""The logs of a run's workers, from this machine or from the store.

`isheep run` writes one log for each worker process, and a process executes several stages. A pod
uploads the end of its log under the run's name, one document for each Job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from isheep.contract.order import RunRef
from isheep.local.paths import LocalPaths
from isheep.store.documents import folder_of_run
from isheep.store.interface import ObjectStore

_EVENT = re.compile(r" stage (begins|ends|stopped|failed) .*\bstage=(\S+)")
_READ_BYTES = 1024 * 1024
"""The end of a log file that is read; a library can write much more."""


@dataclass(frozen=True, slots=True)
class Log:
    """The lines of one log, the oldest first."""

    name: str
    lines: tuple[str, ...]


def local_logs(paths: LocalPaths, stage: str | None) -> Iterator[Log]:
    """Yield the logs of `isheep run` on this machine, the oldest first.

    With a stage, only the lines from its begin to its end are in a log, and a log without such
    lines is left out.
    """
    for path in sorted(paths.logs.glob("*.log")) if paths.logs.is_dir() else ():
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _READ_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        found = lines if stage is None else list(lines_of(stage, lines))
        if found:
            yield Log(path.name, tuple(found))


def stored_logs(store: ObjectStore, run: RunRef, stage: str | None) -> Iterator[Log]:
    """Yield the logs that pods have uploaded, of all Jobs or of those that begin with a stage."""
    folder = f"{folder_of_run(run)}logs/"
    prefix = "" if stage is None else f"{stage.replace('/', '-')}-"
    for info in sorted(store.list(folder), key=lambda info: info.modified):
        name = info.key.removeprefix(folder)
        if name.startswith(prefix):
            text = store.get(info.key).decode(errors="replace")
            yield Log(name, tuple(text.splitlines()))


def lines_of(stage: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a worker's log from the begin of a stage to its end."""
    inside = False
    for line in lines:
        event = _EVENT.search(line)
        if event is not None and event[1] == "begins":
            inside = event[2] == stage
        if inside:
            yield line
        if event is not None and event[1] != "begins":
            inside = False
