"""The planner's inputs and outputs, as plain data.

`plan(run, observed, now, environment) -> Plan` is pure. A driver passes the stored run, its
attempts (Jobs or subprocesses) with their results, and the other live runs that may work on the
same keys. The driver performs the actions, writes the status, and plans again when something
changes or at `wake_at`. All state is in the run's status and in the attempts, so a driver may end
between any two of its writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from isheep.api.gpu_usage import Prices
from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.choices import Pool, WalkGrouping
from isheep.contract.order import StageOrder, StageResult, StepResult
from isheep.contract.store_spec import StoreSpec


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it is stored. `spec` is the user's spec as JSON values, without defaults."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: datetime
    spec: Mapping[str, Any]
    status: SelfAlignmentRunStatus
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False
    tracked_by: str | None = None
    """The tool that would create the run again after a deletion; None if there is none."""


class AttemptState(StrEnum):
    """The state of an attempt; a terminating attempt still occupies its stage.

    A lost attempt is terminating and cannot end, because its nodes are lost, or because a finalizer
    keeps it. It occupies nothing.
    """

    ACTIVE = "Active"
    TERMINATING = "Terminating"
    LOST = "Lost"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class StageRef(NamedTuple):
    """A stage with its key: one step of an attempt. A tuple, because plans look up many of them."""

    id: str
    key: str


@dataclass(frozen=True, slots=True)
class JobWalk:
    """The walk of an attempt: it continues after its first stage, as far as `grouping` allows.

    `claim` is the key that peers compare, and `settings_digest` identifies the settings of all
    stages that the attempt can reach.
    """

    grouping: WalkGrouping
    claim: str
    settings_digest: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why an active attempt makes no progress, if the cause is outside of the attempt.

    `stalled` is True if a person must act, and False if the attempt only waits in a queue.
    """

    reason: str
    message: str
    stalled: bool


@dataclass(frozen=True, slots=True)
class FailedPod:
    """A pod that has failed while its attempt continues with another pod.

    `stage` is the stage that it names. `replaced` is True while the attempt's other pods work.
    """

    name: str
    reason: str
    message: str
    stage: str | None = None
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class PodTime:
    """The time in which a pod, or a worker process, holds its GPUs.

    `until` is its end if it has `ended`, and otherwise a time until which it certainly held them.
    A driver advances that time in steps, because each step changes the status.
    """

    id: str
    started: datetime
    until: datetime
    ended: bool = False

    @property
    def seconds(self) -> float:
        """The time in seconds; 0 if the clocks of two machines disagree."""
        return max(0.0, (self.until - self.started).total_seconds())


@dataclass(frozen=True, slots=True)
class Attempt:
    """One Job or worker process of a run.

    `results` are the parsed results of its workers. `exit_code` is the code of the worker that
    ended the attempt; None if it is unknown (deleted, node lost, killed from outside). `message`
    is the message of a result or the tail of the log. `started` is when its workers started to
    run. `disrupted` is True if the cluster or a person ended it. `failed_pod` is the last pod that
    failed while the attempt is active. The item counts of the stage
    `stage` are for progress only.

    `admitted` is when its time limit began: it does not count the time in a queue. If it is None,
    the limit began with its creation.

    `lingers` is True if its workers have ended, and its pods do not end by themselves. `lost_nodes`
    are the nodes of its pods if none of them answers.

    `gpus` are the GPUs of each of its pods by resource, and `pods` the pods that exist; None if
    they are not known. `deleted_at` is when its deletion began, and `grace_seconds` how long its
    pods may take to end after that. A `rejected` attempt does not exist, because the cluster has
    refused to create it: it occupies its stage until the next try, and has used no number.

    With a `walk`, `steps` has the first stage only, and `committed` has the stages that the workers
    have reported as committed while they run.
    """

    name: str
    steps: tuple[StageRef, ...]
    number: int
    state: AttemptState
    created: datetime
    admitted: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    results: tuple[StageResult, ...] = ()
    exit_code: int | None = None
    disrupted: bool = False
    pod: str | None = None
    message: str | None = None
    waiting: Waiting | None = None
    failed_pod: FailedPod | None = None
    stage: str | None = None
    items_done: int | None = None
    items_total: int | None = None
    walk: JobWalk | None = None
    committed: tuple[StepResult, ...] = ()
    lingers: bool = False
    lost_nodes: tuple[str, ...] = ()
    gpus: Mapping[str, int] = field(default_factory=dict)
    pods: tuple[PodTime, ...] | None = None
    deleted_at: datetime | None = None
    grace_seconds: int = 0
    rejected: bool = False

    @property
    def occupies(self) -> bool:
        """Whether it occupies its stages: its pods work or end, on nodes that answer."""
        return self.state in (AttemptState.ACTIVE, AttemptState.TERMINATING)

    @property
    def result_steps(self) -> tuple[StepResult, ...]:
        """The stages that the results of its workers name."""
        return tuple(step for result in self.results for step in result.steps)


@dataclass(frozen=True, slots=True)
class Reach:
    """The expected keys of the stages that attempts may reach (module `reach`).

    `walking` has those of the Jobs of whole runs, and `alone` those of other attempts.
    """

    walking: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()


NOWHERE = Reach()


@dataclass(frozen=True, slots=True)
class Peer:
    """Another live run of the namespace and store, with the keys it works on and those it wants.

    `peers.claims` computes it from a run's document and attempts. `reach` has the later stages that
    its attempts may reach, and is None if they are not known. `beside` has the keys that no Job
    with a walk may claim meanwhile, because it would come to a stage that the run works on.
    `inside` has those that no Job of the grouping Joined may claim, for the same reason.
    """

    name: str
    uid: str
    created: datetime
    working: frozenset[str]
    wanted: frozenset[str]
    reach: Reach | None = NOWHERE
    beside: frozenset[str] = frozenset()
    inside: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Contender:
    """Another run of the namespace that works, or that waits until fewer runs work.

    `run_limit` explains what it means to work.
    """

    name: str
    uid: str
    created: datetime
    works: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """What a driver observes of a run in addition to the run's document.

    `contenders` are empty if the installation has no limit of working runs. `works` is True if the
    driver has counted this run as working since the run's last plan. `stopped` are the attempts
    that the driver has stopped since the stored status; they may be gone already. `gone` are those
    that somebody has removed since then, as if they were still stopping.
    """

    attempts: tuple[Attempt, ...] = ()
    peers: tuple[Peer, ...] = ()
    contenders: tuple[Contender, ...] = ()
    works: bool = False
    stopped: tuple[Attempt, ...] = ()
    gone: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class PodFolders:
    """The folders in which pods mount a spec's claims and ConfigMaps, each under its name."""

    claims: str
    config_maps: str


@dataclass(frozen=True, slots=True)
class Environment:
    """What the installation adds to a run: the chart's values, or the options of `isheep run`.

    `mirrors` maps prefixes of URIs to what is read instead: an absolute folder or another URI.
    Every order contains them. `pods` is None if stages run on this machine, and otherwise has the
    folders in which their pods mount volumes. Without pods, `config_maps` maps the names of
    ConfigMaps to folders that contain their keys as files. `prices` gives GPU time a cost.
    `runs_per_namespace` is the most runs of a namespace that work at the same time. With
    `deletes_runs`, runs are deleted after their `ttlSecondsAfterFinished`; None if there is no
    cluster to delete them from. `cluster` is that of `RunRef`.
    """

    default_storage: StoreSpec | None = None
    worker_image: str = ""
    mirrors: Mapping[str, str] = field(default_factory=dict)
    config_maps: Mapping[str, str] = field(default_factory=dict)
    pods: PodFolders | None = None
    prices: Prices | None = None
    runs_per_namespace: int | None = None
    deletes_runs: bool | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Start an attempt. Its `parallelism` workers share its parts, or train together.

    They run on none of the `avoided_nodes`, which do not answer.
    """

    order: StageOrder
    pool: Pool
    parallelism: int
    deadline_seconds: int | None = None
    walk: JobWalk | None = None
    avoided_nodes: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[StageRef, ...]:
        """The stages of its order."""
        return tuple(StageRef(step.id, step.key) for step in self.order.steps)


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop an attempt: its stage left the plan, or the run is suspended or has ended."""

    attempt: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a finished attempt whose result is in the stored status."""

    attempt: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Delete the run, which ended long enough ago."""

    reason: str


Action = Start | Stop | Remove | Expire


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions to perform now, the status to write, and the latest time of the next plan.

    With `waits_for_place`, the run would start an attempt if fewer runs of its namespace worked.
    """

    actions: tuple[Action, ...]
    status: SelfAlignmentRunStatus
    wake_at: datetime | None
    waits_for_place: bool = False
