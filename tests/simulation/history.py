"""What has happened in a simulation, as the invariants read it."""

from __future__ import annotations

from dataclasses import dataclass

from .api_server import Change, Json
from .connection import Received, Request
from .nodes import Silence
from .polls import Poll
from .store import Commit


@dataclass(frozen=True, slots=True)
class Final:
    """A run at the end of a simulation, with its Jobs."""

    run: Json
    jobs: list[Json]


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A run that said for too long that it runs, while nothing was at work for it."""

    run: str
    since: float
    phase: str


@dataclass(frozen=True, slots=True)
class History:
    """All changes of objects, all commits, and the state at the end.

    `exempt` has the resource versions of runs whose status somebody else has overwritten, and
    `created` is the number of runs that were created. `kept` says what the operator still
    had in its memory at the end. `limit` is the most runs that may work at the same time.
    """

    changes: tuple[Change, ...]
    requests: tuple[Request, ...]
    received: tuple[Received, ...]
    commits: tuple[Commit, ...]
    exempt: frozenset[int]
    final: tuple[Final, ...]
    jobs: tuple[Json, ...]
    pods: tuple[Json, ...]
    silences: tuple[Silence, ...]
    unexplained: tuple[Unexplained, ...]
    errors: tuple[str, ...]
    faults: tuple[tuple[float, str], ...]
    created: int
    polls: tuple[Poll, ...] = ()
    kept: tuple[str, ...] = ()
    limit: int | None = None
