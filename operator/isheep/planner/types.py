"""What the planner is shown and what it answers, as plain data.

`plan(run, observed, now, environment) -> Plan` is pure. A driver shows it the run
as stored, the attempts it can see (Jobs, or subprocesses) with their results, and
the other live runs that might be at work on the same keys; it carries out the
actions, writes the status, and calls again when something changes or `wake_at`
comes. Nothing else is remembered between calls: all state is in the run's status
and in what is observed, so the driver may die between any two of its acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.order import StageOrder, StageResult
from isheep.contract.store_spec import StoreSpec
from isheep.recipes.interface import Pool


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it is stored. `spec` is as the user wrote it, JSON values, unresolved."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: datetime
    spec: Mapping[str, Any]
    status: SelfAlignmentRunStatus
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False


class AttemptState(StrEnum):
    """Where an attempt stands; a terminating one still occupies its stage."""

    ACTIVE = "Active"
    TERMINATING = "Terminating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class StageRef:
    """One step of an attempt."""

    id: str
    key: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why an active attempt does not get on, where the cause is outside of it.

    `reason` is a condition reason (`SecretNotFound`, `ImagePullFailed`, `Unschedulable`,
    `Queued`, …); `stalled` tells those that need somebody's hand from mere queueing.
    """

    reason: str
    message: str
    stalled: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One Job or worker process of a run, as the driver sees it.

    `results` are the parsed results of its workers; `exit_code` is that of the worker
    that ended it, None where none is known (deleted, node lost, killed from outside).
    `message` is a result's or the log's tail. `started` is when its workers began to
    run. `disrupted` says that the cluster or a person ended it, not it itself. Counts
    are for progress only.
    """

    name: str
    steps: tuple[StageRef, ...]
    number: int
    state: AttemptState
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    results: tuple[StageResult, ...] = ()
    exit_code: int | None = None
    disrupted: bool = False
    pod: str | None = None
    message: str | None = None
    waiting: Waiting | None = None
    items_done: int | None = None
    items_total: int | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """Another live run of the namespace and store: the keys it works on, and those it wants.

    `peers.claims` makes it from a run's document and attempts.
    """

    name: str
    uid: str
    created: datetime
    working: frozenset[str]
    wanted: frozenset[str]


@dataclass(frozen=True, slots=True)
class Observed:
    """What the driver sees of a run besides its own document."""

    attempts: tuple[Attempt, ...] = ()
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """What the installation adds to a run: the chart's values, or `isheep run`'s options.

    `mirrors` maps beginnings of URIs to what is read instead, an absolute folder or
    another URI, and travels with every order as it is; `config_maps` maps the names of
    ConfigMaps to the folders where a worker finds their keys as files. `pods`: stages
    run in pods, whose machines the spec describes; otherwise all run on this machine.
    """

    default_storage: StoreSpec | None = None
    worker_image: str = ""
    mirrors: Mapping[str, str] = field(default_factory=dict)
    config_maps: Mapping[str, str] = field(default_factory=dict)
    pods: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Start an attempt. `parallelism` workers share its parts, or train together."""

    order: StageOrder
    pool: Pool
    parallelism: int
    deadline_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop an attempt: its stage left the plan, or the run is suspended or over."""

    attempt: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a finished attempt: its result was in the status that the plan was shown."""

    attempt: str


Action = Start | Stop | Remove


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, what the status is then, and when to look again at the latest."""

    actions: tuple[Action, ...]
    status: SelfAlignmentRunStatus
    wake_at: datetime | None
