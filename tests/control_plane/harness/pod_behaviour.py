"""The behaviours of the tests' pods, which replace containers: one small class for each end.

A behaviour receives a pod from the kubelet, and calls the pod's methods to report its
states. By default a pod does its `Work`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from isheep.contract.order import Outcome, StageOrder, StageResult, StepResult, dump_result

KILLED = 137
STOPPED = 143


class Pod(Protocol):
    """A pod, as the kubelet passes it to a behaviour."""

    order: StageOrder
    index: int
    workers: int
    stopping: asyncio.Event

    async def run(self) -> None:
        """Report that the container runs."""

    async def wait(self, reason: str, message: str) -> None:
        """Report that the container waits."""

    async def wait_in_init(self, container: str, reason: str, message: str) -> None:
        """Report that an init container, which is not the worker's, waits."""

    async def end_in_init(self, container: str, code: int) -> None:
        """Report that an init container has terminated with a failure, and the pod with it."""

    async def end(self, code: int, message: str = "", reason: str | None = None) -> None:
        """Report that the container has terminated, and the pod with it."""

    async def end_beside(self, container: str, code: int, message: str, failed: int = 0) -> None:
        """Report that the container has terminated, and that another one goes on or has failed."""

    async def disrupt(self, reason: str, code: int | None) -> None:
        """Report that the pod was the target of a disruption."""

    async def serve_progress(
        self, done: int, total: int, committed: tuple[StepResult, ...] = (), waits_for: str = ""
    ) -> None:
        """Serve /progress until the pod has terminated."""

    def walk(self, limit: int) -> StageResult:
        """Commit the first `limit` stages of a Job with a walk, and return the result so far."""

    def result(self) -> StageResult:
        """Execute the order as a worker does, and return the result."""

    def is_set(self, behaviour: PodBehaviour) -> bool:
        """Return whether the test still has this behaviour set for the pod."""


class PodBehaviour(Protocol):
    """What a pod does."""

    async def __call__(self, pod: Pod) -> None: ...


@dataclass(frozen=True)
class Work:
    """Execute the order after some seconds, and report the result."""

    seconds: float = 0.0

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        if await stopped_within(pod, self.seconds):
            await pod.end(STOPPED)
            return
        await pod.end(0, dump_result(pod.result()))


@dataclass(frozen=True)
class WorkBesideSidecar:
    """Do the work in a pod with another container, which ends only when the pod is deleted."""

    container: str = "istio-proxy"

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.end_beside(self.container, 0, dump_result(pod.result()))
        await pod.stopping.wait()
        await pod.end(0)


@dataclass(frozen=True)
class WorkBesideFailure:
    """Do the work in a pod with another container, which then fails, so that the pod has failed."""

    container: str = "istio-proxy"

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.end_beside(self.container, 0, dump_result(pod.result()), failed=1)


@dataclass(frozen=True)
class Hang:
    """Run until SIGTERM, and then terminate."""

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.stopping.wait()
        await pod.end(STOPPED)


@dataclass(frozen=True)
class Hold:
    """Run until the test sets another behaviour, and then do the work."""

    progress: tuple[int, int] | None = None

    async def __call__(self, pod: Pod) -> None:
        if self.progress is not None:
            await pod.serve_progress(*self.progress)
        await work_when_released(pod, self)


@dataclass(frozen=True)
class HoldAfter:
    """Commit some stages of a walk, report them until the test sets another behaviour, then work.

    A pod that is stopped meanwhile ends without a result.
    """

    stages: int

    async def __call__(self, pod: Pod) -> None:
        await pod.serve_progress(0, 1, pod.walk(self.stages).steps)
        await work_when_released(pod, self)


@dataclass(frozen=True)
class WaitForStore:
    """Run, and report a store that does not answer until the test sets another behaviour."""

    text: str

    async def __call__(self, pod: Pod) -> None:
        await pod.serve_progress(0, 1, waits_for=self.text)
        await work_when_released(pod, self)


@dataclass(frozen=True)
class KilledAfter:
    """Commit some stages of a walk, and terminate as SIGKILL ends a container."""

    stages: int

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        pod.walk(self.stages)
        await pod.end(KILLED)


@dataclass(frozen=True)
class IgnoreSigterm:
    """Run until SIGKILL, as a worker that handles no SIGTERM."""

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await asyncio.Event().wait()


@dataclass(frozen=True)
class Exit:
    """Terminate with an exit code and a worker's result for it."""

    code: int
    reason: str | None = None
    message: str = "why"
    seconds: float = 0.0

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await stopped_within(pod, self.seconds)
        result = StageResult(
            outcome=Outcome.FAILED, exit_code=self.code, reason=self.reason, message=self.message
        )
        await pod.end(self.code, dump_result(result))


@dataclass(frozen=True)
class ExitWithText:
    """Terminate with an exit code and any termination message: the end of a log, or none."""

    code: int
    text: str = ""
    reason: str | None = None

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.end(self.code, self.text, self.reason)


@dataclass(frozen=True)
class OutOfMemory:
    """Terminate as the kernel's OOM killer does, without a termination message."""

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.end(KILLED, "", "OOMKilled")


@dataclass(frozen=True)
class Disrupted:
    """Terminate by a disruption: an eviction, a preemption, or a drained node."""

    reason: str = "EvictionByEvictionAPI"
    code: int | None = STOPPED

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.disrupt(self.reason, self.code)


@dataclass(frozen=True)
class StayWaiting:
    """Report a waiting container until the test sets another behaviour, and then do the work."""

    reason: str
    message: str = "why"

    async def __call__(self, pod: Pod) -> None:
        await pod.wait(self.reason, self.message)
        while pod.is_set(self):
            if await stopped_within(pod, 0.1):
                await pod.end(KILLED, "", "ContainerStatusUnknown")
                return
        await Work()(pod)


@dataclass(frozen=True)
class StayInInit:
    """Report a waiting init container until the pod is stopped."""

    container: str
    reason: str
    message: str

    async def __call__(self, pod: Pod) -> None:
        await pod.wait_in_init(self.container, self.reason, self.message)
        await pod.stopping.wait()
        await pod.end(KILLED, "", "ContainerStatusUnknown")


@dataclass(frozen=True)
class InitFails:
    """Terminate because an init container has failed."""

    container: str
    code: int = 1

    async def __call__(self, pod: Pod) -> None:
        await pod.end_in_init(self.container, self.code)


async def stopped_within(pod: Pod, seconds: float) -> bool:
    """Sleep for some seconds, or until the pod is stopped; return whether it is stopped."""
    if seconds <= 0:
        return pod.stopping.is_set()
    try:
        await asyncio.wait_for(pod.stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def work_when_released(pod: Pod, behaviour: PodBehaviour) -> None:
    """Run until the test sets another behaviour, and then do the work; a stop ends the pod."""
    await pod.run()
    while pod.is_set(behaviour):
        if await stopped_within(pod, 0.1):
            await pod.end(STOPPED)
            return
    await pod.end(0, dump_result(pod.result()))
