"""Jobs that exist although neither the watch nor the LIST shows them.

The operator watches and lists Jobs by a label. If somebody removes the label, the watch reports the
Job as deleted, and the LIST does not contain it. Its pods go on, so the next Job of the run would
hold GPUs beside them. So before a run is planned, this module reads each Job that has disappeared
without the beginning of a deletion. A Job that still exists stays in the cache, and is read again
every few seconds until it is gone, because no event reports its changes.

An API server gives a Job without any label those of its pods, so a Job has lost the label only if
it has kept or got another one.

After a start, the operator does not know such a Job. A Job that has the name of the next attempt is
adopted (`actions`), and a Job that held GPUs is named in the status. The operator needs no right to
change Jobs for this, and does not set the labels again.
"""

from __future__ import annotations

import json
import logging

from isheep.kube.cache import Cache
from isheep.kube.client import Api, ApiError, jobs_path
from isheep.kube.memory import Memory
from isheep.kube.queue import WorkQueue
from isheep.kube.records import JobRecord, RunRecord, job_record, timestamp
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

    async def look(self, uid: str, record: RunRecord | None, memory: Memory) -> None:
        """Read the Jobs of a run that may exist unseen; `record` is None if the run is deleted.

        Raises `ApiError` and `ApiUnreachableError`; then the next pass reads them again.
        """
        if record is not None and not memory.looked:
            await self._look_for_recorded(record)
            memory.looked = True
        for job in self._cache.lost_jobs(uid):
            found = await self._read(job)
            if found is not None and not found.labelled:
                fields = {"namespace": job.namespace, "run": job.run, "job": job.name}
                log_event(_LOG, logging.WARNING, "Job exists without our label", **fields)
            self._cache.forget_lost(job)
        unlabelled = [job for job in self._cache.jobs_of(uid) if not job.labelled]
        for job in unlabelled:
            await self._read(job)
        if unlabelled:
            self._queue.wake(uid, LOOK_SECONDS)

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

    async def _read(self, job: JobRecord) -> JobRecord | None:
        """Read a Job into the cache and return it, or remove it and return None."""
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
