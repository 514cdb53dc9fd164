"""The faults of one simulation, drawn from its seed: which request, pod and moment has which fault.

Each kind of fault has its own counter: the writes of operators, their reads, the pods that start,
and the changes of objects. So every write is a crash point, and the plan is a table from the value
of a counter to a fault. A replay draws the same table.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isheep.contract.exit_codes import ExitCode

from .clock import monotonic
from .connection import WRITES, RequestFault
from .kubelet import IGNORED, KILLED, STOPPED, PodFault
from .themes import PODS_OF_AN_ATTEMPT, Theme

WRITE_FAULTS = (
    RequestFault.CRASH_BEFORE,
    RequestFault.CRASH_AFTER,
    RequestFault.LOST,
    RequestFault.ANSWER_LOST,
    RequestFault.SLOW,
    RequestFault.CONFLICT,
    RequestFault.UNAVAILABLE,
    RequestFault.REFUSED,
)
READ_FAULTS = (
    RequestFault.LOST,
    RequestFault.SLOW,
    RequestFault.UNAVAILABLE,
    RequestFault.EXPIRED,
    RequestFault.CRASH_BEFORE,
)
EXIT_CODES = (*(int(code) for code in ExitCode if code), KILLED, STOPPED, 1)
EDITS: tuple[dict[str, Any], ...] = (
    {"selection": {"threshold": 2}},
    {"selection": {"threshold": 6}},
    {"instructions": {"count": 24}},
    {"instructions": {"count": 40}},
    {"iterations": 3},
    {"iterations": 2},
    {"training": {"startFrom": "Previous"}},
    {"training": {"startFrom": "Base"}},
    {"compute": {"inference": {"jobs": "Joined"}}},
    {"compute": {"inference": {"jobs": "PerRole"}}},
    {"compute": {"inference": {"parallelism": 2}}},
)


ACTS: dict[str, float] = {
    "partition": 2,
    "silence": 3,
    "delay": 2,
    "compact": 1,
    "clock": 2,
    "store-down": 1,
    "restart": 2,
    "second-operator": 2,
    "edit": 4,
    "suspend": 3,
    "retry": 1,
    "delete-run": 2,
    "delete-job": 2,
    "suspend-job": 1,
    "move-queue": 1,
    "lose-node": 3,
    "unlabel-job": 1,
    "overwrite-status": 0.5,
    "evict-all": 1,
}
"""The kinds of acts with their weights; some themes have others (`acts`)."""
POD_FAULTS = (
    *("exit", "exit", "kill", "kill-after", "evict", "lose-node", "wait", "hang", "lose-message"),
    *("freeze", "cut-off"),
)
REFUSED_SHARE = 0.15
"""The share of simulations in which Jobs are refused, as often as `REFUSALS` in a row."""
REFUSALS = (1, 2, 4, 6)
REFUSED_FIRST = 3
"""The quota of its theme is used up from the first, the second or the third Job on."""
LEAST_FAULTS = 3
"""A run counts if it has this many faults and two iterations."""
EARLY = 0.3
"""The part of a run in which its first faults are."""
AWAY_SECONDS = (700.0, 2000.0)
"""How long the store is away in its theme; a pod waits for it for five minutes."""
EXIT_SHARE, MIXED_SHARE = 0.4, 0.5
RETRIED_CODES = (1, KILLED, int(ExitCode.UNREACHABLE), int(ExitCode.DISK))
CALM_ACTS = (
    *("store-down", "edit", "suspend", "retry", "delete-run", "delete-job", "suspend-job"),
    *("move-queue", "lose-node", "evict-all"),
)
"""The kinds of acts that disturb no operator."""
HAND_OVER_SECONDS = (45.0, 120.0)
"""How long an operator is cut off while another one works; the Lease lasts for 22 seconds."""
UNSEEN_SECONDS = (250.0, 400.0)
"""How long no watch reports the end of a deletion; after two minutes, the operator looks itself."""
NODE_SECONDS = (1800.0, 3000.0)
"""How long each node is silent if all of them are lost, one after another."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person or the cluster does: `kind` with its values."""

    kind: str
    seconds: float = 0.0
    value: Any = None


@dataclass
class FaultPlan:
    """The faults by counter, and a log of those that have happened.

    `jobs` has the faults of the requests that create Jobs, and `statuses` those of the writes of
    statuses.
    """

    writes: dict[int, RequestFault] = field(default_factory=dict)
    reads: dict[int, RequestFault] = field(default_factory=dict)
    pods: dict[int, PodFault] = field(default_factory=dict)
    acts: dict[int, Act] = field(default_factory=dict)
    jobs: dict[int, RequestFault] = field(default_factory=dict)
    statuses: dict[int, RequestFault] = field(default_factory=dict)
    happened: list[tuple[float, str]] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)

    def of_request(self, method: str, path: str) -> RequestFault | None:
        """Count a request, and return its fault."""
        kind = "writes" if method in WRITES else "reads"
        self.counters[kind] += 1
        faults = self.writes if kind == "writes" else self.reads
        fault = faults.get(self.counters[kind])
        if method == "POST" and path.partition("?")[0].endswith("/jobs"):
            self.counters["jobs"] += 1
            fault = fault or self.jobs.get(self.counters["jobs"])
        elif method == "PATCH":
            self.counters["statuses"] += 1
            fault = fault or self.statuses.get(self.counters["statuses"])
        if fault is not None:
            self.note(f"{method} {path.partition('?')[0]}: {fault.value}")
        return fault

    def of_pod(self, _: Mapping[str, Any]) -> PodFault | None:
        """Count a pod, and return its fault."""
        self.counters["pods"] += 1
        fault = self.pods.get(self.counters["pods"])
        if fault is not None:
            self.note(f"pod {self.counters['pods']}: {fault}")
        return fault

    def of_change(self) -> Act | None:
        """Count a change of an object, and return what happens then."""
        self.counters["changes"] += 1
        act = self.acts.get(self.counters["changes"])
        if act is not None:
            self.note(str(act))
        return act

    def end(self) -> None:
        """Let no fault happen any more."""
        for faults in (self.writes, self.reads, self.pods, self.acts, self.jobs, self.statuses):
            faults.clear()

    def note(self, text: str) -> None:
        """Note that a fault happens now."""
        self.happened.append((monotonic(), text))


def draw(chance: random.Random, theme: Theme, *, runs: int, scale: float) -> FaultPlan:
    """Draw the faults of a simulation.

    Args:
        chance: The random generator of the seed.
        theme: What the simulation has more of.
        runs: The number of runs; each has three faults at least.
        scale: The size of the counters, 1.0 for a run with a Job for each role.
    """
    plan = FaultPlan()
    often = theme.acts
    kinds = {**ACTS, **{name: ACTS[name] + 20 / len(often) for name in often}}
    weights, whole = (5, 1, 4, 8 if often else 5), 0.25
    if theme.calm:
        kinds = {name: kinds[name] for name in CALM_ACTS}
        weights, whole = (0, 0, 6, 4), 0.5
    count = runs * 4 + int(chance.expovariate(0.4))
    if theme.alone:
        kinds, weights = dict.fromkeys(often, 1.0), (0, 0, 4, 8)
        count = runs * LEAST_FAULTS if often else 0
    for number in range(count):
        # The first faults come early, so that each run has its three.
        size = scale * (EARLY if number < runs * LEAST_FAULTS else 1.0)
        kind = chance.choices(("write", "read", "pod", "act"), weights)[0]
        if kind == "write":
            plan.writes[_free(plan.writes, chance, 60 * size)] = chance.choice(WRITE_FAULTS)
        elif kind == "read":
            plan.reads[_free(plan.reads, chance, 30 * size)] = chance.choice(READ_FAULTS)
        elif kind == "pod":
            first, fault = _free(plan.pods, chance, 11 * size), _pod_fault(chance, fails=theme.calm)
            # Only a failure of each pod that Kubernetes creates for a Job ends an attempt.
            lasts = PODS_OF_AN_ATTEMPT if chance.random() < whole else 1
            plan.pods.update(dict.fromkeys(range(first, first + lasts), fault))
            if theme.calm and lasts > 1 and chance.random() < MIXED_SHARE:
                # The pods of an attempt end in different ways, and one of them explains its end.
                plan.pods.update({n: _retried(chance) for n in range(first, first + lasts)})
        else:
            plan.acts[_free(plan.acts, chance, 110 * max(size, 0.6 * scale))] = draw_act(
                chance, kinds
            )
    if chance.random() < REFUSED_SHARE and not theme.alone:
        first = _free(plan.jobs, chance, 9 * scale)
        refused = range(first, first + chance.choice(REFUSALS))
        plan.jobs.update(dict.fromkeys(refused, RequestFault.REFUSED))
    _add_theme(plan, chance, theme, scale)
    return plan


def _add_theme(plan: FaultPlan, chance: random.Random, theme: Theme, scale: float) -> None:
    """Add the faults that only a theme has."""
    if theme.early is not None:
        plan.acts[_free(plan.acts, chance, 40 * scale)] = draw_act(chance, {theme.early: 1})
    if theme.jobs is not None:
        plan.jobs.update({_free(plan.jobs, chance, 9 * scale): theme.jobs for _ in range(3)})
    if theme.refused:
        first = 1 + int(chance.random() * REFUSED_FIRST)
        plan.jobs.update(dict.fromkeys(range(first, first + theme.refused), RequestFault.REFUSED))
    if theme.statuses is not None:
        # Early, when Jobs are short: a Job that ends soon needs no other write before its end.
        plan.statuses.update(dict.fromkeys(chance.sample(range(2, 9), 4), theme.statuses))
    plan.pods.update(theme.pods)


def _free(taken: Mapping[int, Any], chance: random.Random, most: float) -> int:
    """Return a position from 1 on at which no other fault of the kind is."""
    position = 1 + int(chance.random() * most)
    while position in taken:
        position += 1
    return position


def _pod_fault(chance: random.Random, *, fails: bool) -> PodFault:
    """Draw the fault of a pod; with `fails`, many pods end with an exit code."""
    commits = chance.choice((0, 0, 0, 1, 2, 3))
    kind = "exit" if fails and chance.random() < EXIT_SHARE else chance.choice(POD_FAULTS)
    lasts = (200.0, 700.0, 2000.0, 3500.0) if kind in ("freeze", "cut-off") else (20.0, 90.0, 600.0)
    return PodFault(
        kind,
        commits=commits,
        code=chance.choice(EXIT_CODES),
        seconds=chance.choice(lasts),
        reason=chance.choice(("ImagePullBackOff", "CreateContainerConfigError", IGNORED))
        if kind == "wait"
        else "",
    )


def _retried(chance: random.Random) -> PodFault:
    """Draw a failure after which Kubernetes creates another pod."""
    kind, code = chance.choice(("exit", "exit", "kill")), chance.choice(RETRIED_CODES)
    return PodFault(kind, code=code)


def draw_act(chance: random.Random, kinds: Mapping[str, float]) -> Act:
    """Draw an act of one of the kinds, with their weights."""
    kind = chance.choices(list(kinds), list(kinds.values()))[0]
    seconds = chance.choice((3.0, 20.0, 45.0, 120.0, 700.0))
    value: Any = None
    if kind == "edit":
        value = chance.choice(EDITS)
    elif kind == "clock":
        value = chance.choice((-5400, -600, -30, 30, 600, 5400))
    elif kind == "delete-job":
        value = chance.choice(("Foreground", "Background"))
    elif kind == "lose-node":
        seconds = chance.choice((30.0, 200.0, 700.0, 2000.0, 3500.0))
        value = (chance.random() < 0.5, chance.random() < 0.7)
    elif kind == "store-away":
        seconds = chance.choice(AWAY_SECONDS)
    elif kind == "hand-over":
        seconds, value = chance.choice(HAND_OVER_SECONDS), chance.random() < 0.5
    elif kind == "lose-deletion":
        seconds = chance.choice(UNSEEN_SECONDS)
    elif kind == "lose-each-node":
        seconds = chance.choice(NODE_SECONDS)
    elif kind in ("restart", "delete-run", "second-operator", "silence"):
        value = chance.random() < (0.95 if kind == "delete-run" else 0.5)
    return Act(kind, seconds, value)
