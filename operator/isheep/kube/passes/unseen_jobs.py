"""Jobs that exist although neither the watch nor the LIST shows them.

The operator watches and lists Jobs by a label. If somebody removes the label, the watch reports the
Job as deleted, and the LIST does not contain it. Its pods go on, so the next Job of the run would
hold GPUs beside them. So before a run is planned, this module reads each Job that has disappeared
without the beginning of a deletion. A Job that still exists stays in the cache, and is read again
every few seconds until it is gone, because no event reports its changes.

The creation of a Job may have an effect although its answer is lost or is 504, and the watch may be
late. The plan of such a run must know the Job: otherwise a peer that is older could make its
stages, too. So this module reads each Job whose creation had no answer but 504, and `actions` reads
it at once after a 504.

An API server gives a Job without any label those of its pods, so a Job has lost the label only if
it has kept or got another one.

After a start, the operator does not know such a Job. A Job that has the name of the next attempt is
adopted (`actions`), a Job that held GPUs is named in the status, and the pods of any other one show
it (`forgotten_jobs`). The operator needs no right to change Jobs for this, and does not set the
labels again.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from isheep.kube.cache.cache import Cache
from isheep.kube.cache.records import JobRecord, RunRecord, job_record, timestamp
from isheep.kube.client import Api, ApiError, jobs_path, pods_path
from isheep.kube.passes.attempts import PodObservation, gone_attempt
from isheep.kube.passes.memory import Memory
from isheep.kube.pods.pod_records import PodRecord, pod_record
from isheep.kube.pods.pod_times import pod_times
from isheep.kube.queue import WorkQueue
from isheep.logs import log_event

LOOK_SECONDS = 10.0
"""The time between two looks at a Job without the label."""
_LOG = logging.getLogger(__name__)


class UnseenJobs:
    """Keeps such Jobs in the cache."""

    def __init__(self, api: Api, cache: Cache, queue: WorkQueue) -> None:
        self._api = api
        self._cache = cache
        self._queue = queue

    async def look(self, uid: str, record: RunRecord | None, memory: Memory, now: datetime) -> None:
        """Read the Jobs of a run that may exist unseen; `record` is None if the run is deleted.

        A Job that was removed at once, as `kubectl delete` does, is noted in the memory.
        Raises `ApiError` and `ApiUnreachableError`; then the next pass reads them again.
        """
        if record is not None and not memory.looked:
            await self._look_for_recorded(record)
            memory.looked = True
        if record is not None:
            for name in sorted(memory.unanswered):
                await self.find(record, name)
                memory.unanswered.discard(name)
        for job in self._cache.lost_jobs(uid):
            found = await self.read(job)
            if found is None and record is not None:
                seen = await self._last_seen(job, memory.observations.get(job.uid), now)
                gone = gone_attempt(job, seen, now)
                memory.gone |= {} if gone is None else {job.uid: gone}
            elif found is not None and not found.labelled:
                fields = {"namespace": job.namespace, "run": job.run, "job": job.name}
                log_event(_LOG, logging.WARNING, "Job exists without our label", **fields)
            self._cache.forget_lost(job)
        unlabelled = [job for job in self._cache.jobs_of(uid) if not job.labelled]
        for job in unlabelled:
            await self.read(job)
        if unlabelled:
            self._queue.wake(uid, LOOK_SECONDS)

    async def _last_seen(
        self, job: JobRecord, before: PodObservation | None, now: datetime
    ) -> PodObservation | None:
        """Return an observation of the pods of a Job that is gone: they may still be ending."""
        if not job.gpus:
            return None
        pods: list[PodRecord] = []
        selector = f"batch.kubernetes.io/controller-uid={job.uid}"
        with suppress(ApiError):
            async for page in self._api.pages(pods_path(job.namespace), labels=selector):
                pods += [pod_record(item) for item in page.items]
        seen = before or PodObservation(at=now)
        return replace(seen, pods=pod_times(seen.pods, pods, now) if pods else seen.pods)

    async def _look_for_recorded(self, record: RunRecord) -> None:
        """Read the Jobs that the status says hold GPUs, and that the LIST does not contain."""
        usage = (json.loads(record.status or b"{}").get("gpu")) or {}
        known = {job.name for job in self._cache.jobs_of(record.uid)}
        for attempt in usage.get("attempts") or ():
            if attempt.get("ended") or attempt["name"] in known:
                continue
            found = await self._found(record.namespace, attempt["name"])
            if found is None or found.run_uid != record.uid:
                continue
            if found.created == timestamp(attempt["created"]):
                self._cache.put_job(found, present=True)

    async def find(self, record: RunRecord, name: str) -> JobRecord | None:
        """Read a Job of a run by its name into the cache; return it, or None if there is none.

        Raises `ApiError` and `ApiUnreachableError`.
        """
        found = await self._found(record.namespace, name)
        if found is None or found.run_uid != record.uid:
            return None
        self._cache.put_job(found, present=True)
        return found

    async def read(self, job: JobRecord) -> JobRecord | None:
        """Read a Job into the cache and return it, or remove it and return None.

        Raises `ApiError` and `ApiUnreachableError`.
        """
        found = await self._found(job.namespace, job.name)
        if found is None or found.uid != job.uid:
            self._cache.jobs.drop(job.uid)
            return None
        self._cache.put_job(found, present=True)
        return found

    async def _found(self, namespace: str, name: str) -> JobRecord | None:
        try:
            return job_record(await self._api.get(jobs_path(namespace, name)))
        except ApiError as error:
            # 403: the operator does not serve this namespace any more.
            if error.status not in (403, 404):
                raise
            return None
