"""Pod inspection: what the status of a Job does not contain.

The operator does not watch pods. It lists the pods of a Job when the Job has ended or a pod has
failed, because the causes are in their termination messages, and while pods that should run do not.
It finds the pod whose progress `polls` reads, and with it the stages that the pods of a Job with a
walk have committed. For a suspended Job, it reads the Workload instead.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from operator import itemgetter

from isheep.contract.reasons import Reason
from isheep.kube.cache.records import JobRecord
from isheep.kube.client import Api, ApiError, events_path, pods_path
from isheep.kube.passes.attempts import PodObservation, is_over, is_working, lost_at, pods_are_known
from isheep.kube.passes.events import probe_document
from isheep.kube.passes.kueue import inspect_queue
from isheep.kube.passes.unseen_pods import after_grace, why_none, why_unseen
from isheep.kube.pods.lost_nodes import lost_nodes, why_silent
from isheep.kube.pods.pod_endings import Ending, failed_pod, how_ended, only_others_failed
from isheep.kube.pods.pod_records import EventRecord, PodRecord, event_record, pod_record
from isheep.kube.pods.pod_times import live, pod_times
from isheep.kube.pods.pod_waiting import only_sidecars, why_no_pods, why_waiting
from isheep.kube.pods.stable_messages import stable_message
from isheep.planner.types import Action, Stop, Waiting

SIDECAR_GRACE = timedelta(seconds=60)
"""How long the other containers of a pod may go on after the worker has ended."""
CREATING = ("ContainerCreating", "PodInitializing")
MOST_EVENTS = 100
"""The number of Events about an object that are kept, the latest ones."""
_LOG = logging.getLogger(__name__)


class PodInspector:
    """Inspects the pods of Jobs."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def inspect(
        self, job: JobRecord, before: PodObservation | None, now: datetime
    ) -> PodObservation:
        """Return an observation of a Job's pods; raises `ApiError` and `ApiUnreachableError`.

        `polled` of the observation is `now` if the pod at its address is to be polled.
        """
        if job.suspended and not is_over(job) and not job.deleting:
            queue = await inspect_queue(self._api, job, now)
            held = before or PodObservation(at=now)
            times = held.pods
            if live(times):
                # The pods of a preempted Job hold their GPUs until they have ended.
                times = pod_times(times, await self._pods(job), now)
            held = replace(held, at=now, queue=queue, waiting=None, address=None)
            return replace(held, pods=times, unseen=None)
        return await self._inspect_pods(job, before, now)

    async def inspect_before_stops(
        self,
        jobs: Iterable[JobRecord],
        actions: Iterable[Action],
        known: Mapping[str, PodObservation],
        now: datetime,
    ) -> dict[str, PodObservation]:
        """Return observations, by UID, of the Jobs that stop and whose pods are not known yet.

        Without them, a young Job would leave no trace of the GPUs that it held. A Job whose pods
        cannot be listed stops too.
        """
        stops = {action.attempt for action in actions if isinstance(action, Stop)}
        found = {}
        for job in jobs:
            if job.name in stops and not pods_are_known(job, known.get(job.uid)):
                with suppress(ApiError):
                    found[job.uid] = await self.inspect(job, known.get(job.uid), now)
        return found

    async def _inspect_pods(
        self, job: JobRecord, before: PodObservation | None, now: datetime
    ) -> PodObservation:
        working = is_working(job) and not job.deleting
        is_known = before is not None and before.failed_pods == job.failed_pods
        is_known = is_known and pods_are_known(job, before)
        if working and is_known and before is not None and before.address is not None:
            return replace(before, polled=now, waiting=None)
        pods = await self._pods(job)
        started = min((s for pod in pods if (s := _started(pod)) is not None), default=None)
        observation = PodObservation(at=now, failed_pods=job.failed_pods, started=started)
        found = before or observation
        times = pod_times(found.pods, pods, now)
        observation = replace(
            observation, committed=found.committed, pods=times, stage_since=found.stage_since
        )
        lost = lost_nodes(pods, now) or found.lost_nodes
        if is_over(job) and not job.deleting:
            return replace(observation, final=True, ending=how_ended(pods))
        if lost or job.deleting:
            results = Ending(results=how_ended(pods).results)
            kept = not lost and _is_kept(job, pods, now)
            return replace(observation, lost_nodes=lost, kept=kept, ending=results)
        beside = _ended_beside(observation, found.waiting, job, pods)
        if beside is not None:
            return beside
        observation = replace(observation, failed_pod=failed_pod(pods))
        if job.walk is not None:
            # Some pods may have walked to the end of the Job while others still wait for a node.
            observation = replace(observation, ending=Ending(results=how_ended(pods).results))
        if not working:
            waiting = why_silent(pods, now) or await self._waiting(job, pods)
            observation = after_grace(replace(observation, waiting=waiting), before)
            if job.walk is None:
                return observation
        # The pods that run walk on, and commit stages, while others wait for a node.
        return replace(
            observation,
            address=_address(pods),
            polled=now,
            silent=found.silent,
            stage=found.stage,
            items_first=found.items_first,
            items_done=found.items_done,
            items_total=found.items_total,
            waits_for=found.waits_for,
        )

    async def _pods(self, job: JobRecord) -> list[PodRecord]:
        selector = f"batch.kubernetes.io/controller-uid={job.uid}"
        found: list[PodRecord] = []
        # Page by page: each of hundreds of pods has the order of its worker.
        async for page in self._api.pages(pods_path(job.namespace), labels=selector):
            found += [pod_record(item) for item in page.items]
        return found

    async def _waiting(self, job: JobRecord, pods: list[PodRecord]) -> Waiting | None:
        found = await self._cause(job, pods)
        if found is None:
            return None
        return replace(found, message=stable_message(found.message, job.name))

    async def _cause(self, job: JobRecord, pods: list[PodRecord]) -> Waiting | None:
        if not pods:
            about = await self._events(job.namespace, job.uid)
            return why_no_pods(about) or why_none(job, about)
        if all(pod.deleting for pod in pods):
            return await self._namespace_is_going(job.namespace)
        creating = [p for p in pods if _is_explained_by_events(p)]
        events = await self._events(job.namespace, creating[0].uid) if creating else []
        return why_waiting(pods, events) or why_unseen(pods)

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
        found: list[tuple[str, EventRecord]] = []
        try:
            fields = f"involvedObject.uid={uid}"
            async for page in self._api.pages(events_path(namespace), fields=fields):
                found += [(_time_of(event), event_record(event)) for event in page.items]
                # Anybody who may create Events can create many long ones.
                found = sorted(found, key=itemgetter(0), reverse=True)[:MOST_EVENTS]
        except ApiError as error:
            _LOG.warning("Events of %s cannot be listed: %s", namespace, error)
        return [event for _, event in found]


def _is_kept(job: JobRecord, pods: list[PodRecord], now: datetime) -> bool:
    """Return whether a finalizer keeps a deleted Job whose pods have ended."""
    due = lost_at(job)
    return due is not None and now >= due and all(pod.over for pod in pods)


def _ended_beside(
    observation: PodObservation, before: Waiting | None, job: JobRecord, pods: list[PodRecord]
) -> PodObservation | None:
    """Return the observation of pods of which only other containers go on or have failed."""
    sidecars = only_sidecars(pods, job.parallelism)
    if sidecars is not None:
        return _lingering(replace(observation, waiting=sidecars), before, pods)
    if not only_others_failed(pods, job.parallelism):
        return None
    ended = _last_end(pods) or observation.at
    ending = Ending(results=how_ended(pods).results)
    return replace(observation, final=True, lingers_since=ended, ending=ending)


def _lingering(
    observation: PodObservation, before: Waiting | None, pods: list[PodRecord]
) -> PodObservation:
    """Return the observation of pods whose workers have ended; it is final after a grace.

    `before` is why the pods waited at the last inspection.
    """
    ended = _last_end(pods) or observation.at
    lingers = replace(observation, lingers_since=ended)
    waiting = observation.waiting
    is_reported = before is not None and waiting is not None and before.reason == waiting.reason
    if is_reported and observation.at - ended >= SIDECAR_GRACE:
        return replace(lingers, final=True, ending=how_ended(pods))
    return lingers


def _is_explained_by_events(pod: PodRecord) -> bool:
    """Return whether only Events say why a pod does not run.

    That is so while a node creates the container. And the scheduler does not look at a pod whose
    claim of devices does not exist, so its status says nothing.
    """
    if pod.waiting is not None:
        return pod.waiting[0] in CREATING
    ignored = pod.node is None and pod.unschedulable is None
    return ignored and not pod.over and not pod.deleting


def _address(pods: list[PodRecord]) -> str | None:
    running = [p for p in pods if p.running_since is not None and p.address and not p.deleting]
    return min(running, key=lambda p: p.index).address if running else None


def _started(pod: PodRecord) -> datetime | None:
    return pod.termination.started if pod.termination is not None else pod.running_since


def _last_end(pods: list[PodRecord]) -> datetime | None:
    ends = (pod.termination.finished for pod in pods if pod.termination is not None)
    return max((end for end in ends if end is not None), default=None)


def _time_of(event: dict[str, object]) -> str:
    for name in ("lastTimestamp", "eventTime", "firstTimestamp"):
        if event.get(name):
            return str(event[name])
    return ""
