"""The kubelets and workers: each pod starts, executes its order over the store, and ends.

A pod waits for a node, runs, commits its stages one by one, and terminates with an exit code and a
termination message. The first pod of a Job commits; the others end when it has ended. A fault
lets a pod end differently: killed before or after a commit, evicted, lost with its node, and so on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import (
    Outcome,
    StageOrder,
    StageResult,
    Step,
    StepResult,
    dump_result,
)

from .api_server import PODS, ApiServer, Change, Json
from .clock import Scheduler, monotonic, timestamp
from .nodes import Nodes
from .orders import order_of
from .store import Store

INDEX = "batch.kubernetes.io/job-completion-index"
JOB_NAME = "batch.kubernetes.io/job-name"
KILLED, STOPPED = 137, 143
SAVE_SECONDS = (0.1, 0.1, 2.0, 2.0, 15.0, 15.0, 40.0, 40.0, 90.0)
"""How long a worker needs after SIGTERM; at the end of its grace period it is killed."""
KILL_SECONDS = (2.0, 8.0)
"""How long a kubelet needs to kill a pod."""
UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available",
}
IGNORED = "ignored"
"""The reason of a pod that waits because its scheduler does not look at it."""
RETRY_SECONDS = 300.0
"""How long a worker tries to reach the store before it ends with `UNREACHABLE`."""


@dataclass(frozen=True, slots=True)
class PodFault:
    """What happens to one pod: `kind` after `commits` of its stages.

    `exit` ends it with `code` and a result; `kill` and `kill-after` end it before and after the
    commit, without a result; `evict` and `lose-node` disrupt it; `wait` delays its start by
    `seconds` with a reason, or before it has a node (`IGNORED`); `hang` delays its work;
    `lose-message` ends it well without a result. `freeze` and `cut-off` let its node be silent for
    `seconds` (`nodes`).
    """

    kind: str
    commits: int = 0
    code: int = 0
    seconds: float = 0.0
    reason: str = ""


@dataclass
class _Pod:
    place: str
    job: str
    order: StageOrder
    index: int
    address: str
    fault: PodFault | None
    grace: float
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    node: str | None = None
    accepted: str = ""
    started: str = ""
    committed: list[StepResult] = field(default_factory=list)
    stage: str | None = None


class _Ends(Exception):
    """The pod's container ends with a code and a message."""

    def __init__(self, code: int, message: str = "", reason: str = "Error") -> None:
        super().__init__(message)
        self.code, self.message, self.reason = code, message, reason


class Kubelet:
    """Runs the pods of all nodes."""

    def __init__(
        self,
        server: ApiServer,
        store: Store,
        scheduler: Scheduler,
        chance: random.Random,
        next_fault: Callable[[Json], PodFault | None],
        nodes: Nodes,
        *,
        slow_stops: bool = False,
    ) -> None:
        self._server, self._store, self._scheduler = server, store, scheduler
        self._chance, self._next_fault, self._nodes = chance, next_fault, nodes
        self._fastest = -1 if slow_stops else 0
        self._pods: dict[str, _Pod] = {}
        self._finished: dict[str, asyncio.Event] = {}
        self._addresses = 0
        self._jobs: dict[str, tuple[str, str]] = {}
        server.listeners.append(self._note)

    def progress(self, url: str) -> Any:
        """Answer a GET of /progress."""
        for pod in self._pods.values():
            if f"//{pod.address}:" in url and pod.started and not self._is_silent(pod):
                committed = [s.model_dump(mode="json", by_alias=True) for s in pod.committed]
                # Some stages have no items.
                counts = {} if len(committed) % 3 == 2 else {"itemsDone": len(committed) + 1}
                total = {"itemsTotal": 64} if counts else {}
                return {"stage": pod.stage, "committed": committed, **counts, **total}
        return TimeoutError("no pod has this address")

    def job_at(self, url: str) -> tuple[str, str] | None:
        """Return the UID and the name of the Job whose pod has, or had, the address of a URL."""
        return self._jobs.get(url.partition("//")[2].partition(":")[0])

    def _note(self, change: Change) -> None:
        if change.resource != PODS:
            return
        metadata = change.document["metadata"]
        uid = metadata["uid"]
        if change.kind == "ADDED":
            self._addresses += 1
            order = order_of(change.document)
            pod = _Pod(
                change.path,
                metadata["labels"][JOB_NAME],
                order,
                int(metadata["annotations"][INDEX]),
                f"10.0.{self._addresses // 256}.{self._addresses % 256}",
                self._next_fault(change.document),
                float(change.document["spec"].get("terminationGracePeriodSeconds", 30)),
            )
            self._pods[uid] = pod
            self._jobs[pod.address] = (metadata["ownerReferences"][0]["uid"], pod.job)
            self._scheduler.task(self._live(uid, pod))
        elif change.kind == "DELETED":
            if (pod := self._pods.pop(uid, None)) is not None:
                pod.stopping.set()
        elif "deletionTimestamp" in metadata:
            if uid in self._pods:
                self._stop(self._pods[uid])
            else:
                self._scheduler.later(0.1, lambda: self._remove(change.path, uid))

    def _is_silent(self, pod: _Pod) -> bool:
        return self._nodes.until(pod.node) > monotonic()

    def _stop(self, pod: _Pod) -> None:
        """End a pod as soon as its node hears of it."""
        if self._is_silent(pod):
            rest = self._nodes.until(pod.node) - monotonic()
            self._scheduler.later(rest + 0.1, lambda: self._stop(pod))
        else:
            pod.stopping.set()

    async def _live(self, uid: str, pod: _Pod) -> None:
        try:
            await self._start(pod)
            await self._work(pod)
            end = _Ends(0, "", "Completed")
        except _Ends as ends:
            end = ends
        if pod.stopping.is_set():
            end = await self._saved(pod, end)
        await self._nodes.answers(pod.node)
        self._pods.pop(uid, None)
        if pod.index == 0:
            self._done(pod).set()
        self._terminate(pod, end, uid)

    async def _saved(self, pod: _Pod, end: _Ends) -> _Ends:
        """Return how a pod ends whose worker writes a checkpoint first."""
        needed = self._chance.choice(SAVE_SECONDS[self._fastest :])
        if needed <= pod.grace:
            await asyncio.sleep(needed)
            return end
        await asyncio.sleep(pod.grace + self._chance.choice(KILL_SECONDS[self._fastest :]))
        return _Ends(KILLED) if end.code == STOPPED else end

    async def _start(self, pod: _Pod) -> None:
        await self._pause(pod, self._chance.uniform(0.2, 3))
        fault = pod.fault
        ignored = fault is not None and fault.reason == IGNORED
        if fault is not None and ignored:
            await self._pause(pod, fault.seconds)
        await self._schedule(pod)
        if fault is not None and fault.kind == "wait" and not ignored:
            waiting = {"waiting": {"reason": fault.reason, "message": "why"}}
            self._write(pod, {"phase": "Pending", **_container(waiting)})
            await self._pause(pod, fault.seconds)
        await self._nodes.answers(pod.node)
        pod.started = timestamp()
        running = _container({"running": {"startedAt": pod.started}})
        ready = [
            {"type": name, "status": "True", "lastTransitionTime": pod.started}
            for name in ("Ready", "ContainersReady")
        ]
        self._write(pod, {"phase": "Running", "podIP": pod.address, "conditions": ready, **running})

    async def _schedule(self, pod: _Pod) -> None:
        """Wait for a node that the pod does not exclude, and until its kubelet accepts the pod."""
        while (document := self._server.objects.get(pod.place)) is not None:
            node = self._nodes.node_for(document)
            if node is not None:
                self._server.change(pod.place, spec={**document["spec"], "nodeName": node})
                pod.node = node
                break
            self._write(pod, {"phase": "Pending", "conditions": [UNSCHEDULED]})
            await self._pause(pod, 10.0)
        await self._nodes.answers(pod.node)
        await self._pause(pod, 0.0)
        pod.accepted = timestamp()
        self._write(pod, {"phase": "Pending"})

    async def _work(self, pod: _Pod) -> None:
        fault = pod.fault
        if fault is not None and fault.kind == "hang":
            await self._pause(pod, fault.seconds)
        if pod.index:
            await self._pause(pod, self._chance.uniform(1, 20))
            for committing in (True, False):
                self._fail_if_due(pod, fault.commits if fault else 0, committing=committing)
            await self._wait_for_first(pod)
            partial = dump_result(StageResult(outcome=Outcome.PARTIAL))
            raise _Ends(0, partial, "Completed")
        order = pod.order
        if order.walk is None and order.steps[0].kind == "prepare":
            await self._reach_store(pod)
            await self._pause(pod, self._chance.uniform(0.5, 5))
            self._fail_if_due(pod, 0, committing=True)
            result = self._store.prepare(order)
            self._fail_if_due(pod, 0, committing=False)
            self._end_well(pod, result)
        steps, ended = (list(order.steps), None)
        if order.walk is not None:
            steps, ended = self._store.walk(order)
        for count, step in enumerate(steps):
            await self._make(pod, count, step)
        if ended is None:
            ended = StageResult(outcome=Outcome.COMMITTED, steps=tuple(pod.committed))
        self._end_well(pod, ended)

    async def _make(self, pod: _Pod, count: int, step: Step) -> None:
        pod.stage = step.id
        await self._reach_store(pod)
        if step.key in self._store.store:
            pod.committed.append(self._store.adopt(step))
            self._fail_if_due(pod, count, committing=False)
            return
        await self._pause(pod, self._chance.uniform(1, 20))
        self._fail_if_due(pod, count, committing=True)
        await self._reach_store(pod)
        pod.committed.append(self._store.commit(step, pod.job))
        self._fail_if_due(pod, count, committing=False)

    def _fail_if_due(self, pod: _Pod, count: int, *, committing: bool) -> None:
        """End the pod if its fault is due: before (`committing`) or after its commit."""
        fault = pod.fault
        if fault is None or count < fault.commits or fault.kind in ("wait", "hang"):
            return
        after = fault.kind in ("kill-after", "lose-message")
        if after == committing or (fault.kind == "lose-message"):
            return
        pod.fault = None
        if fault.kind in ("freeze", "cut-off"):
            frozen, evicts = fault.kind == "freeze", self._chance.random() < 0.7
            self._nodes.lose(str(pod.node), fault.seconds, frozen=frozen, evicts=evicts)
            return
        if fault.kind in ("kill", "kill-after"):
            raise _Ends(KILLED, "", fault.reason or "Error")
        if fault.kind == "exit":
            raise _Ends(fault.code, dump_result(self._failed(pod, fault.code)))
        raise _Ends(STOPPED if fault.kind == "evict" else -1, "", "Disruption")

    def _failed(self, pod: _Pod, code: int) -> StageResult:
        if pod.order.walk is None:
            steps, frontier = tuple(pod.committed), None
        else:
            walked = self._store.walked(pod.order, len(pod.committed))
            steps, frontier = walked.steps, walked.frontier
        return StageResult(
            outcome=Outcome.FAILED,
            exit_code=code,
            message="why",
            stage=pod.stage,
            steps=steps,
            frontier=frontier,
        )

    def _end_well(self, pod: _Pod, result: StageResult) -> None:
        lost = pod.fault is not None and pod.fault.kind == "lose-message"
        raise _Ends(0, "" if lost else dump_result(result), "Completed")

    async def _wait_for_first(self, pod: _Pod) -> None:
        done = self._done(pod)
        while not done.is_set():
            await self._pause(pod, 1.0)

    def _done(self, pod: _Pod) -> asyncio.Event:
        return self._finished.setdefault(pod.job, asyncio.Event())

    async def _reach_store(self, pod: _Pod) -> None:
        since = monotonic()
        while not self._store.is_reachable:
            await self._pause(pod, 10.0)
            if monotonic() - since >= RETRY_SECONDS:
                code = int(ExitCode.UNREACHABLE)
                raise _Ends(code, dump_result(self._failed(pod, code)))

    async def _pause(self, pod: _Pod, seconds: float) -> None:
        """Wait; a pod that is stopped meanwhile ends."""
        try:
            async with asyncio.timeout(seconds):
                await pod.stopping.wait()
        except TimeoutError:
            # The containers of a frozen node stand still, and are stopped when it goes on.
            await self._nodes.answers(pod.node, frozen=True)
            if not pod.stopping.is_set():
                return
        raise _Ends(STOPPED)

    def _terminate(self, pod: _Pod, end: _Ends, uid: str) -> None:
        if pod.place not in self._server.objects:
            return
        before = self._server.objects[pod.place]["status"].get("conditions") or ()
        conditions = [dict(c) for c in before if c["type"] == "DisruptionTarget"]
        state: Json = {}
        if end.reason == "Disruption":
            conditions = [{"type": "DisruptionTarget", "status": "True", "reason": "Test"}]
        if end.code >= 0:
            ended = {
                "exitCode": end.code,
                "reason": end.reason,
                "message": end.message,
                "finishedAt": timestamp(),
            }
            if pod.started:
                ended["startedAt"] = pod.started
            state = _container({"terminated": ended})
        phase = "Failed" if end.code else "Succeeded"
        self._write(pod, {"phase": phase, "conditions": conditions, **state})
        if pod.stopping.is_set():
            self._scheduler.later(0.2, lambda: self._remove(pod.place, uid))

    def _write(self, pod: _Pod, status: Json) -> None:
        if pod.place in self._server.objects:
            times = {"startTime": pod.accepted} if pod.accepted else {}
            self._server.change(pod.place, status={**times, **status})

    def _remove(self, place: str, uid: str) -> None:
        found = self._server.objects.get(place)
        if found is not None and found["metadata"]["uid"] == uid:
            self._server.remove(place)


def _container(state: Json) -> Json:
    return {"containerStatuses": [{"name": "worker", "state": state}]}
