"""What a pod of a test does, in place of a container: one small class for each way to end.

A behaviour is handed the pod as its kubelet sees it, and tells the kubelet what to
report. Unless told otherwise a pod does its `Work`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from isheep.contract.order import Outcome, StageOrder, StageResult, dump_result

KILLED = 137
STOPPED = 143


class Pod(Protocol):
    """A pod, as the kubelet shows it to a behaviour."""

    order: StageOrder
    index: int
    workers: int
    stopping: asyncio.Event

    async def run(self) -> None:
        """Report that the container runs."""

    async def wait(self, reason: str, message: str) -> None:
        """Report that the container waits."""

    async def end(self, code: int, message: str = "", reason: str | None = None) -> None:
        """Report that the container has ended, and the pod with it."""

    async def disrupt(self, reason: str, code: int | None) -> None:
        """Report that the pod was ended from outside."""

    async def serve_progress(self, done: int, total: int) -> None:
        """Answer at /progress until the pod has ended."""

    def result(self) -> StageResult:
        """Do what a worker does with the order."""

    def is_told(self, behaviour: Behaviour) -> bool:
        """Whether this is still what the test wants of the pod."""


class Behaviour(Protocol):
    """What a pod does."""

    async def __call__(self, pod: Pod) -> None: ...


@dataclass(frozen=True)
class Work:
    """Carry the order out, after some seconds, and leave the result."""

    seconds: float = 0.0

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        if await stopped_within(pod, self.seconds):
            await pod.end(STOPPED)
            return
        await pod.end(0, dump_result(pod.result()))


@dataclass(frozen=True)
class Hang:
    """Run until stopped, and obey."""

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.stopping.wait()
        await pod.end(STOPPED)


@dataclass(frozen=True)
class Held:
    """Run until the test has it mended, and then do the work."""

    progress: tuple[int, int] | None = None

    async def __call__(self, pod: Pod) -> None:
        if self.progress is not None:
            await pod.serve_progress(*self.progress)
        await pod.run()
        while pod.is_told(self):
            if await stopped_within(pod, 0.1):
                await pod.end(STOPPED)
                return
        await pod.end(0, dump_result(pod.result()))


@dataclass(frozen=True)
class Ignore:
    """Run until killed: what a worker does that hears no SIGTERM."""

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await asyncio.Event().wait()


@dataclass(frozen=True)
class Exit:
    """End with a code, and with a worker's words for it."""

    code: int
    reason: str | None = None
    message: str = "why"
    seconds: float = 0.0

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await stopped_within(pod, self.seconds)
        told = StageResult(
            outcome=Outcome.FAILED, exit_code=self.code, reason=self.reason, message=self.message
        )
        await pod.end(self.code, dump_result(told))


@dataclass(frozen=True)
class Say:
    """End with a code and any text as termination message: a log's tail, or nothing."""

    code: int
    text: str = ""
    reason: str | None = None

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.end(self.code, self.text, self.reason)


@dataclass(frozen=True)
class OutOfMemory:
    """Be killed by the kernel: there is no time for a word."""

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.end(KILLED, "", "OOMKilled")


@dataclass(frozen=True)
class Disrupted:
    """Be ended from outside: evicted, preempted, its node drained."""

    reason: str = "EvictionByEvictionAPI"
    code: int | None = STOPPED

    async def __call__(self, pod: Pod) -> None:
        await pod.run()
        await pod.disrupt(self.reason, self.code)


@dataclass(frozen=True)
class Wait:
    """Never come to run, for a reason, until the test has it mended."""

    reason: str
    message: str = "why"

    async def __call__(self, pod: Pod) -> None:
        await pod.wait(self.reason, self.message)
        while pod.is_told(self):
            if await stopped_within(pod, 0.1):
                await pod.end(KILLED, "", "ContainerStatusUnknown")
                return
        await Work()(pod)


async def stopped_within(pod: Pod, seconds: float) -> bool:
    """Sleep, unless the pod is stopped meanwhile."""
    if seconds <= 0:
        return pod.stopping.is_set()
    try:
        await asyncio.wait_for(pod.stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True
