"""The world of a simulation: all its parts, and the acts that are due at a change or in time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from isheep.contract.reasons import Reason

from . import acts
from .api_server import JOBS, PODS, RUNS, ApiServer, Change, Json, collection
from .clock import Scheduler, WallClock, monotonic
from .connection import Network
from .deployment import Deployment
from .faults import Act, FaultPlan, draw_act
from .history import Final, History, Unexplained
from .invariants.job_states import ready_reason
from .job_controller import is_finished, is_later_part, is_later_stage
from .nodes import Nodes
from .operator_process import OperatorProcess
from .queue import Queue
from .reactions import begins_to_wait, stops, waits
from .readings import is_prepared
from .store import Store
from .themes import Reaction

BACK = Act("clock", value=-5400)
BACK_SECONDS = (0.0, 0.0, 2.0)
"""How long after the begin of a wait the clock is set back."""
CUT_SECONDS = (60.0, 90.0)
"""How long the network is cut after a stop; most pods need less to end."""
MOST_REACTIONS = 3
PREPARED_SECONDS = (0.0, 2.0)
"""When somebody suspends a run that is prepared."""
LATE_SECONDS = (1.0, 10.0)
"""When a run goes on after the begin of the Job of its peer."""
WAITS = (Reason.WAITING_FOR_PEER, Reason.RUN_LIMIT)
"""The reasons of a run that waits for another one."""
TICK_SECONDS = 20.0
"""How often the world looks for runs that are silent, that need a retry, or that have ended."""
BOUND_SECONDS = 4 * 3600.0
"""Every run ends this long after the last fault, or its status says why it has not ended."""
SILENT_SECONDS = 1200.0
"""A run without a Job and without a reason for it must not stay so for longer: two LISTs and the
longest wait between passes that fail."""
EXPLAINED_SECONDS = 2700.0
"""A run whose status has a reason, but is not Stalled, waits no longer: the longest wait is half an
hour."""
HEAL_SECONDS = 120.0
"""How long a person waits before they retry a run that has failed or stalls."""
MOST_RETRIES = 150
"""Three runs may stall for an hour, because a node or the store does not answer."""


@dataclass
class World:
    """All parts of a simulation."""

    seed: int
    chance: random.Random
    plan: FaultPlan
    server: ApiServer
    store: Store
    wall: WallClock
    scheduler: Scheduler
    network: Network
    nodes: Nodes
    queue: Queue
    processes: list[OperatorProcess] = field(default_factory=list)
    exempt: set[int] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    retries: int = 0
    deployment: Deployment = field(init=False)
    unexplained: list[Unexplained] = field(default_factory=list)
    late: str | None = None
    """The path of the run that goes on beside a second Job of its peer (`Theme.late_peer`)."""
    prepares_late: bool = False
    """Whether the late run is prepared before it waits."""
    mixed: bool = False
    """Whether the peer has other Jobs, so that the late run goes on beside any later stage."""
    waits: bool = False
    """Whether nobody retries a run that stalls."""
    backs: int = 0
    """How often the clock is still set back when a run begins to wait (`Theme.clock_back`)."""
    cuts: int = 0
    """How often the network is still cut after a stop (`Theme.cut_stops`)."""
    reaction: Reaction | None = None
    reactions: int = MOST_REACTIONS
    _since: dict[str, tuple[bool, float]] = field(default_factory=dict)
    _healed: dict[str, float] = field(default_factory=dict)
    _last: float = 0.0
    _busy: bool = False

    def create_run(self, name: str, spec: Json, labels: Json) -> None:
        """Create a run, unless a run has the name."""
        path = collection(RUNS)
        if f"{path}/{name}" in self.server.objects:
            return
        document = {
            "apiVersion": "isheep.dev/v1alpha1",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {"observedGeneration": -1},
        }
        self.server.put(path, document)

    def expect(self, seconds: float) -> None:
        """Let the simulation last for at least some seconds."""
        self._last = max(self._last, seconds)

    def delete_run(self, path: str) -> None:
        """Delete the run of a path, and create a run with its name soon."""
        acts.delete_run(self, path.removesuffix("/status"), again=True)

    def note_change(self, change: Change) -> None:
        """Perform the act that is due at this change, after the change is complete."""
        if self.backs and change.resource == RUNS and begins_to_wait(change):
            # The operator has planned with the time before, and waits for an answer, or sleeps.
            self.backs -= 1
            pause = self.chance.choice(BACK_SECONDS)
            self.scheduler.later(pause, lambda: self._happens(BACK))
        if self.prepares_late and change.path == self.late and is_prepared(change.document):
            self.prepares_late, place = False, change.path
            pause = self.chance.uniform(*PREPARED_SECONDS)
            self.scheduler.later(pause, lambda: acts.edit(self, place, {"suspend": True}))
        if self.late is not None and change.resource == JOBS:
            self._note_late(self.late, change.document)
        if self.cuts and change.resource == JOBS and stops(change):
            self.cuts -= 1
            self._happens(Act("partition", self.chance.uniform(*CUT_SECONDS)))
        if self.reaction is not None and change.resource == RUNS:
            self._react(self.reaction, change)
        if change.resource == JOBS and change.kind == "ADDED":
            # A run that makes a Job only after each LIST is slow, but it is not silent.
            for owner in change.document["metadata"].get("ownerReferences") or ():
                self._since.pop(owner["uid"], None)
        if change.resource in (RUNS, JOBS) and not self._busy:
            act = self.plan.of_change()
            if act is not None:
                self._last = max(self._last, monotonic() + act.seconds)
                self.scheduler.later(0.0, lambda: acts.perform(self, act))

    def _note_late(self, place: str, job: Json) -> None:
        """Let the late run go on when it is late."""
        is_own = job["metadata"]["ownerReferences"][0]["name"] == place.rpartition("/")[2]
        if not is_own and (is_later_part(job) or (self.mixed and is_later_stage(job))):
            self.resume_late(self.chance.uniform(*LATE_SECONDS))

    def _react(self, reaction: Reaction, change: Change) -> None:
        """Let somebody do something about one of the reasons, if a run says it now."""
        before, after = ready_reason(change.before or {}), ready_reason(change.document)
        if after not in reaction.reasons or before == after:
            return
        is_due = waits(change.document) or not reaction.held
        if self.reactions and is_due and change.kind != "DELETED":
            self.reactions -= 1
            act = draw_act(self.chance, dict.fromkeys(reaction.acts, 1.0))
            pause = self.chance.uniform(*reaction.seconds)
            self.scheduler.later(pause, lambda: self._happens(act, change.path))

    def _happens(self, act: Act, place: str | None = None) -> None:
        """Perform an act of the theme, on a run if there is a path, and note it."""
        if place is not None and place not in self.server.objects:
            return
        self.plan.note(str(act))
        self._last = max(self._last, monotonic() + act.seconds)
        if place is None:
            acts.perform(self, act)
        else:
            acts.perform_on(self, act, place)

    def resume_late(self, seconds: float) -> None:
        """Let the run that is late go on after some seconds."""
        place, self.late = self.late, None
        if place is not None:
            self.scheduler.later(seconds, lambda: acts.edit(self, place, {"suspend": False}))

    # --- until the end ----------------------------------------------------------------------

    async def run_to_end(self) -> None:
        """Wait until all runs have ended and their Jobs are deleted, or the bound has passed."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            runs = self.server.members(RUNS)
            for place, document in runs:
                self._check_silence(document)
                self._heal(place, document)
            self._last = max(self._last, min(monotonic(), self.nodes.last_end()))
            if monotonic() - self._last < 60.0:
                continue
            over = all(_is_settled(document) for _, document in runs)
            if over and not self.server.members(JOBS) and not self._live_pods():
                return
            if monotonic() - self._last > BOUND_SECONDS:
                return

    def _live_pods(self) -> bool:
        phases = {pod["status"].get("phase") for _, pod in self.server.members(PODS)}
        return not phases <= {"Succeeded", "Failed"}

    def _check_silence(self, document: Json) -> None:
        """Note a run that says that it runs while nothing is at work for it."""
        uid = document["metadata"]["uid"]
        status = document.get("status") or {}
        ready = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
        says = status.get("phase") in (None, "Pending", "Running")
        explained = not says or ready.get("reason") not in (None, "Running", "Pending")
        limit = EXPLAINED_SECONDS if says and explained else SILENT_SECONDS
        job = any(_owned(j, uid) and not is_finished(j) for _, j in self.server.members(JOBS))
        disturbed = self.network.is_cut or not self.processes
        peers = [j for _, j in self.server.members(JOBS) if not is_finished(j)]
        for_peer = bool(peers) and ready.get("reason") in WAITS
        if not says or job or disturbed or for_peer:
            self._since.pop(uid, None)
            return
        begin = (explained, monotonic())
        known, since = self._since.setdefault(uid, begin)
        if known != explained:
            self._since[uid] = begin
            return
        if monotonic() - since >= limit:
            self._since[uid] = begin
            name = document["metadata"]["name"]
            self.unexplained.append(Unexplained(name, since, str(status.get("phase"))))

    def _heal(self, place: str, document: Json) -> None:
        """Do what a person does about a run that has failed or stalls: retry it."""
        phase = (document.get("status") or {}).get("phase")
        if phase != "Failed" and (phase != "Stalled" or self.waits):
            self._healed.pop(place, None)
            return
        since = self._healed.setdefault(place, monotonic())
        if monotonic() - since >= HEAL_SECONDS and self.store.is_reachable:
            del self._healed[place]
            if self.retries < MOST_RETRIES:
                self._last = max(self._last, monotonic())
                acts.retry(self, place)

    def history(self) -> History:
        """Return what has happened, for the invariants."""
        final = [
            Final(document, [j for _, j in self.server.members(JOBS) if _owned(j, _uid(document))])
            for _, document in self.server.members(RUNS)
        ]
        return History(
            changes=tuple(self.server.changes),
            requests=tuple(self.network.requests),
            received=tuple(self.network.received),
            commits=tuple(self.store.log),
            exempt=frozenset(self.exempt),
            final=tuple(final),
            jobs=tuple(job for _, job in self.server.members(JOBS)),
            pods=tuple(pod for _, pod in self.server.members(PODS)),
            silences=tuple(self.nodes.silences),
            unexplained=tuple(self.unexplained),
            errors=tuple(self.errors),
            faults=tuple(self.plan.happened),
            created=sum(c.resource == RUNS and c.kind == "ADDED" for c in self.server.changes),
        )


def _is_settled(document: Json) -> bool:
    status = document.get("status") or {}
    ended = any(c["type"] == "Complete" for c in status.get("conditions") or ())
    return ended and status.get("observedGeneration") == document["metadata"]["generation"]


def _uid(document: Json) -> str:
    return str(document["metadata"]["uid"])


def _owned(job: Json, run_uid: str) -> bool:
    owners = job["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == run_uid for owner in owners)
