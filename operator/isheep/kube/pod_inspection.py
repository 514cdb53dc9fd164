"""Pod inspection: what the status of a Job does not contain.

The operator does not watch pods. It lists the pods of a Job when the Job has ended, because the
results are in their termination messages, and while pods that should run do not. It reads the
progress of a running stage from one of its pods, and with it the stages that the pods of a Job with
a walk have committed.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime

import aiohttp
from pydantic import ValidationError

from isheep.contract.order import StepResult
from isheep.contract.reasons import Reason
from isheep.kube.attempts import PodObservation, is_over, is_working
from isheep.kube.client import Api, ApiError, events_path, pods_path
from isheep.kube.events import probe_document
from isheep.kube.names import HTTP_PORT
from isheep.kube.pod_endings import Ending, how_ended
from isheep.kube.pod_records import EventRecord, PodRecord, pod_record
from isheep.kube.pod_waiting import why_no_pods, why_waiting
from isheep.kube.records import JobRecord
from isheep.planner.types import Waiting

POLL_SECONDS = 2.0
POLL_BYTES = 64 * 1024
CREATING = ("ContainerCreating", "PodInitializing")
_LOG = logging.getLogger(__name__)


class PodInspector:
    """Inspects the pods of Jobs."""

    def __init__(self, api: Api, session: aiohttp.ClientSession) -> None:
        self._api = api
        self._session = session

    async def inspect(
        self, job: JobRecord, before: PodObservation | None, now: datetime
    ) -> PodObservation:
        """Return an observation of a Job's pods; raises `ApiError` and `ApiUnreachableError`."""
        working = is_working(job)
        if working and before is not None and before.address is not None:
            polled = await self._poll(job, before, now)
            if polled is not None:
                return polled
        pods = await self._pods(job)
        started = min((s for pod in pods if (s := _started(pod)) is not None), default=None)
        observation = PodObservation(at=now, failed_indexes=job.failed_indexes, started=started)
        found = before or observation
        observation = replace(observation, committed=found.committed)
        if is_over(job):
            return replace(observation, final=True, ending=how_ended(pods))
        if job.walk is not None:
            # Some pods may have walked to the end of the Job while others still wait for a node.
            observation = replace(observation, ending=Ending(results=how_ended(pods).results))
        known = replace(
            observation,
            address=_address(pods),
            stage=found.stage,
            items_first=found.items_first,
            items_done=found.items_done,
            items_total=found.items_total,
        )
        if working:
            return await self._first_poll(job, known, now)
        waiting = await self._waiting(job, pods)
        if job.walk is None:
            return replace(observation, waiting=waiting)
        # The pods that run walk on, and commit stages, while others wait for a node.
        return replace(await self._first_poll(job, known, now), waiting=waiting)

    async def _pods(self, job: JobRecord) -> list[PodRecord]:
        selector = f"batch.kubernetes.io/controller-uid={job.uid}"
        listing = await self._api.list(pods_path(job.namespace), labels=selector)
        return [pod_record(item) for item in listing.items]

    async def _waiting(self, job: JobRecord, pods: list[PodRecord]) -> Waiting | None:
        if not pods:
            return why_no_pods(await self._events(job.namespace, job.uid))
        if all(pod.deleting for pod in pods):
            return await self._namespace_is_going(job.namespace)
        creating = [p for p in pods if p.waiting is not None and p.waiting[0] in CREATING]
        events = await self._events(job.namespace, creating[0].uid) if creating else []
        return why_waiting(pods, events)

    async def _namespace_is_going(self, namespace: str) -> Waiting | None:
        """Return a reason if a namespace is being deleted.

        A dry run of a CREATE finds this out. A terminating namespace has no new Events, and the
        operator has no right to read namespaces.
        """
        try:
            await self._api.try_to_create(events_path(namespace), probe_document(namespace))
        except ApiError as error:
            if Reason.NAMESPACE_TERMINATING in error.causes:
                return Waiting(Reason.NAMESPACE_TERMINATING, str(error), stalled=True)
        return None

    async def _events(self, namespace: str, uid: str) -> list[EventRecord]:
        """Return the Events about an object, the latest first."""
        try:
            fields = f"involvedObject.uid={uid}"
            listing = await self._api.list(events_path(namespace), fields=fields)
        except ApiError as error:
            _LOG.warning("Events of %s cannot be listed: %s", namespace, error)
            return []
        ordered = sorted(listing.items, key=_time_of, reverse=True)
        return [EventRecord(e.get("reason", ""), e.get("message", "")) for e in ordered]

    async def _first_poll(
        self, job: JobRecord, observation: PodObservation, now: datetime
    ) -> PodObservation:
        polled = (
            await self._poll(job, observation, now) if observation.address is not None else None
        )
        return polled or replace(observation, polled=now)

    async def _poll(
        self, job: JobRecord, observation: PodObservation, now: datetime
    ) -> PodObservation | None:
        """Return the observation with a pod's progress; None if the pod does not answer."""
        host = (
            f"[{observation.address}]"
            if ":" in (observation.address or "")
            else observation.address
        )
        try:
            async with self._session.get(
                f"http://{host}:{HTTP_PORT}/progress",
                timeout=aiohttp.ClientTimeout(total=POLL_SECONDS),
                allow_redirects=False,
            ) as response:
                answer = json.loads(await _first_bytes(response.content, POLL_BYTES))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError):
            return None
        reported, total = _counts(answer)
        stage = _stage(answer)
        known = observation.items_first if stage == observation.stage else None
        first = known if known is not None else reported
        done = reported
        if reported is not None and first is not None:
            # A pod starts with the number of items that existed, then counts only its own items.
            # The other pods are about as fast, so its own items represent those of all pods.
            shares = 1 if job.together else max(1, job.parallelism)
            done = first + (reported - first) * shares
            done = min(done, total) if total is not None else done
        return replace(
            observation,
            polled=now,
            waiting=None,
            stage=stage,
            committed=_committed(answer) or observation.committed,
            items_first=first,
            items_done=done,
            items_total=total,
        )


def _counts(answer: object) -> tuple[int | None, int | None]:
    """Return items done and in total; a pod is not trusted, so anything else gives None."""
    if not isinstance(answer, dict):
        return None, None
    done, total = (answer.get(name) for name in ("itemsDone", "itemsTotal"))
    fits = all(v is None or (type(v) is int and 0 <= v < 2**53) for v in (done, total))
    return (done, total) if fits else (None, None)


async def _first_bytes(stream: aiohttp.StreamReader, limit: int) -> bytes:
    """Return the first bytes of a stream; a single read may return fewer than there are."""
    content = b""
    while len(content) < limit and (chunk := await stream.read(limit - len(content))):
        content += chunk
    return content


def _stage(answer: object) -> str | None:
    stage = answer.get("stage") if isinstance(answer, dict) else None
    return stage if isinstance(stage, str) else None


def _committed(answer: object) -> tuple[StepResult, ...]:
    """Return the stages that a pod has reported as committed; none if the list is not valid.

    The planner uses a report only if it computes the same key for a stage of the run.
    """
    found = answer.get("committed") if isinstance(answer, dict) else None
    try:
        return tuple(StepResult.model_validate(step) for step in found or ())
    except (ValidationError, TypeError):
        return ()


def _address(pods: list[PodRecord]) -> str | None:
    running = [p for p in pods if p.running_since is not None and p.address and not p.deleting]
    return min(running, key=lambda p: p.index).address if running else None


def _started(pod: PodRecord) -> datetime | None:
    return pod.termination.started if pod.termination is not None else pod.running_since


def _time_of(event: dict[str, object]) -> str:
    for name in ("lastTimestamp", "eventTime", "firstTimestamp"):
        if event.get(name):
            return str(event[name])
    return ""
