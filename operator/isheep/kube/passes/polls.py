"""Polls: the reads of a pod's progress, at the same time and outside of passes.

A NetworkPolicy may close the pods' port to the operator, and then each read takes its whole time
limit. If passes waited for it, a hundred such runs would delay the first Job of every other run. So
a pass only starts a poll, and an answer wakes the run. A Job whose pod does not answer is polled
less and less often.

The progress in the status depends on polls, and the GPU time of pods that go on: an answer shows
that they are at work. The cache does not show it, because the API server may not be reachable.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiohttp
from pydantic import ValidationError

from isheep.contract.order import StepResult
from isheep.kube.cache.records import JobRecord
from isheep.kube.names import HTTP_PORT
from isheep.kube.passes.attempts import PodObservation
from isheep.kube.pods.pod_results import finite_steps, shown
from isheep.kube.pods.pod_times import at_work

POLL_SECONDS = 2.0
POLL_BYTES = 64 * 1024
STAGE_CHARACTERS = 253
MOST_COMMITTED = 512
"""The most stages that are read from an answer; a worker sends fewer, the newest ones."""
WAITS_CHARACTERS = 300
CONCURRENT_POLLS = 64


@dataclass(frozen=True, slots=True)
class Progress:
    """A pod's answer: the stage that it executes, its items, and the stages that it committed.

    `waits_for` is the store that does not answer the pod; None if the pod works.
    """

    stage: str | None = None
    done: int | None = None
    total: int | None = None
    committed: tuple[StepResult, ...] = ()
    waits_for: str | None = None


def poll_session() -> aiohttp.ClientSession:
    """Return a session for polls, which decompresses nothing: an answer could become gigabytes."""
    return aiohttp.ClientSession(auto_decompress=False)


OnAnswer = Callable[[JobRecord, str, Progress | None], None]
"""Called with the Job, the address, and the answer; None if the pod did not answer."""


class Polls:
    """The polls in progress, at most one for each Job."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._slots = asyncio.Semaphore(CONCURRENT_POLLS)
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self, job: JobRecord, address: str, on_answer: OnAnswer) -> None:
        """Start to poll a Job's pod at an address, unless a poll of the Job is in progress."""
        if job.uid in self._running:
            return
        task = asyncio.create_task(self._poll(job, address, on_answer), name=f"poll of {job.name}")
        self._running[job.uid] = task
        task.add_done_callback(lambda _: self._running.pop(job.uid, None))

    async def stop(self) -> None:
        """End the polls in progress."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self, job: JobRecord, address: str, on_answer: OnAnswer) -> None:
        async with self._slots:
            answer = await self._answer(address)
        on_answer(job, address, answer)

    async def _answer(self, address: str) -> Progress | None:
        host = f"[{address}]" if ":" in address else address
        try:
            async with self._session.get(
                f"http://{host}:{HTTP_PORT}/progress",
                timeout=aiohttp.ClientTimeout(total=POLL_SECONDS),
                allow_redirects=False,
            ) as response:
                answer = json.loads(await _first_bytes(response.content, POLL_BYTES))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError):
            return None
        return _progress(answer)


def with_answer(
    observation: PodObservation, job: JobRecord, address: str, answer: Progress | None
) -> PodObservation:
    """Return the observation with the answer of the pod at an address."""
    if answer is None:
        # The next inspection looks for the current pods, because this one may have been replaced.
        left = None if observation.address == address else observation.address
        return replace(observation, address=left, silent=observation.silent + 1)
    known = observation.items_first if answer.stage == observation.stage else None
    first = known if known is not None else answer.done
    done = answer.done
    if done is not None and first is not None:
        # A pod starts with the number of items that existed, then counts only its own items.
        # The other pods are about as fast, so its own items represent those of all pods.
        shares = 1 if job.together else max(1, job.parallelism)
        done = first + (done - first) * shares
        done = min(done, answer.total) if answer.total is not None else done
    same = answer.stage == observation.stage
    return replace(
        observation,
        silent=0,
        stage=answer.stage,
        stage_since=observation.stage_since if same else observation.polled,
        committed=answer.committed or observation.committed,
        items_first=first,
        items_done=done,
        items_total=answer.total,
        waits_for=answer.waits_for,
        pods=at_work(observation.pods, observation.polled),
    )


def _progress(answer: object) -> Progress:
    """Return the valid parts of an answer; a pod is not trusted, so anything else is left out."""
    if not isinstance(answer, dict):
        return Progress()
    stage, done, total = (answer.get(name) for name in ("stage", "itemsDone", "itemsTotal"))
    fits = all(v is None or (type(v) is int and 0 <= v < 2**53) for v in (done, total))
    return Progress(
        stage=stage if isinstance(stage, str) and len(stage) <= STAGE_CHARACTERS else None,
        done=done if fits else None,
        total=total if fits else None,
        committed=_committed(answer.get("committed")),
        waits_for=_waits_for(answer.get("waitsFor")),
    )


def _waits_for(found: object) -> str | None:
    """Return what a pod waits for, in one line."""
    text = " ".join(shown(found).split())[:WAITS_CHARACTERS] if isinstance(found, str) else ""
    return text or None


def _committed(found: object) -> tuple[StepResult, ...]:
    """Return the stages that a pod has reported as committed; none if the list is not valid.

    The planner uses a report only if it computes the same key for a stage of the run.
    """
    rows = found[:MOST_COMMITTED] if isinstance(found, list) else ()
    try:
        return finite_steps(StepResult.model_validate(step) for step in rows)
    except (ValidationError, TypeError):
        return ()


async def _first_bytes(stream: aiohttp.StreamReader, limit: int) -> bytes:
    """Return the first bytes of a stream; a single read may return fewer than there are."""
    content = b""
    while len(content) < limit and (chunk := await stream.read(limit - len(content))):
        content += chunk
    return content
