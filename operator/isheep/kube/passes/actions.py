"""Actions: how the operator creates, adopts and deletes Jobs and Services.

A Job has exactly one possible name, so every action is safe to repeat. The operator never updates
a Job. Before each write the Lease is checked, so that of two operators only one writes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from isheep.api.run import KIND
from isheep.contract.order import ContractError
from isheep.contract.reasons import Reason
from isheep.kube.cache.cache import Cache
from isheep.kube.cache.records import JobRecord, RunRecord, job_record, run_record
from isheep.kube.client import (
    Api,
    ApiError,
    ApiUnreachableError,
    jobs_path,
    runs_path,
    services_path,
)
from isheep.kube.job_building.jobs import Installation, job_document, name_of, trains_together
from isheep.kube.job_building.services import is_same_service, service_document
from isheep.kube.lease import Lease
from isheep.kube.observability.metrics import Metrics
from isheep.kube.owners import Document, Owner
from isheep.kube.passes.attempts import attempt_of
from isheep.kube.passes.fence import Fence, OutdatedPassError
from isheep.kube.passes.memory import Memory
from isheep.kube.passes.rejections import job_conflict_message, reason_of, service_conflict_message
from isheep.kube.pods.stable_messages import stable_message
from isheep.kube.queue import WorkQueue
from isheep.logs import log_event, stage_fields
from isheep.planner.pinning import Resolved
from isheep.planner.types import Expire, Plan, Remove, Start, Stop

_LOG = logging.getLogger(__name__)


class NotDeletedError(Exception):
    """The API server does not allow a deletion.

    An Event with the reason `reason` says so, and the next try is after `seconds` at most.
    """

    reason: ClassVar[str]
    seconds: ClassVar[float] = math.inf


class JobNotDeletedError(NotDeletedError):
    """The API server does not allow to delete a Job, so its run goes on although it must not."""

    reason = "JobNotDeleted"
    seconds = 60.0

    def __init__(self, job: str, error: ApiError) -> None:
        super().__init__(
            f"the operator may not delete the Job {job}, which the run must not have any more: "
            f"{error}; change the policy of the cluster, or delete the Job by hand"
        )


class RunNotDeletedError(NotDeletedError):
    """The API server does not allow to delete a run whose time has passed."""

    reason = "RunNotDeleted"

    def __init__(self, error: ApiError) -> None:
        super().__init__(
            f"the operator may not delete the run after its ttlSecondsAfterFinished: {error}; "
            "install the roles of the chart with ttl.enabled, or delete the run by hand"
        )


@dataclass(frozen=True, slots=True)
class _NewJob:
    """A Job that a plan starts, before it exists."""

    record: RunRecord
    start: Start
    name: str
    memory: Memory

    def log_fields(self) -> dict[str, object]:
        order = self.start.order
        fields = stage_fields(
            namespace=self.record.namespace,
            run=self.record.name,
            stage=order.steps[0].id,
            attempt=order.attempt,
            key=order.steps[0].key,
        )
        return {"job": self.name, **fields}


class Actions:
    """Performs the actions of plans against the API server."""

    def __init__(
        self,
        *,
        api: Api,
        cache: Cache,
        queue: WorkQueue,
        lease: Lease,
        fence: Fence,
        metrics: Metrics,
        installation: Installation,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._cache = cache
        self._queue = queue
        self._lease = lease
        self._fence = fence
        self._metrics = metrics
        self._installation = installation
        self._now = now

    async def fence(self, memory: Memory) -> None:
        """Check the Lease right before a write of a run's pass; raises `LeaseHeldError`."""
        await self._fence.enter(memory.epoch)

    async def perform(self, record: RunRecord, plan: Plan, memory: Memory) -> bool:
        """Perform the actions of a plan; return whether the API server rejected a Job."""
        rejected = False
        for action in plan.actions:
            if isinstance(action, Expire):
                await self._expire(record, action, memory)
            elif isinstance(action, Start):
                resolved = Resolved.model_validate(plan.status.resolved)
                rejected |= not await self._start(record, action, resolved, memory)
            else:
                await self._remove(record, action, memory)
        return rejected

    async def delete(self, job: JobRecord, why: str, memory: Memory) -> None:
        """Delete a Job and its pods; a Job that does not exist any more is not an error.

        Raises:
            JobNotDeletedError: The API server does not allow it.
        """
        await self.fence(memory)
        try:
            left = await self._api.delete(
                jobs_path(job.namespace, job.name), job.uid, check=self._lease.check
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise JobNotDeletedError(job.name, error) from error
            # The Job does not exist any more, or another Job has its name (409: other UID).
            self._cache.jobs.drop(job.uid)
            self._queue.wake(job.run_uid)
            return
        log_event(_LOG, logging.INFO, "Job deleted", **_job_fields(job), why=why)
        if left.get("kind") == "Job":
            self._cache.put_job(job_record(left))
        else:
            self._cache.jobs.drop(job.uid)

    async def _expire(self, record: RunRecord, action: Expire, memory: Memory) -> None:
        """Delete a run, unless somebody has changed it since the plan.

        Raises:
            RunNotDeletedError: The API server does not allow it.
        """
        await self.fence(memory)
        path, version = runs_path(record.namespace, record.name), record.resource_version
        try:
            left = await self._api.delete(path, record.uid, version, check=self._lease.check)
        except ApiError as error:
            if error.status == 403:
                raise RunNotDeletedError(error) from error
            if error.status not in (404, 409):
                raise
            # The watch or the next LIST reports the change.
            return
        fields = {"namespace": record.namespace, "run": record.name, "why": action.reason}
        log_event(_LOG, logging.INFO, "Run deleted", **fields)
        if left.get("kind") == KIND:
            self._cache.runs.put(run_record(left))
        else:
            self._cache.runs.drop(record.uid)
        self._queue.wake(record.uid)

    async def _start(
        self, record: RunRecord, start: Start, resolved: Resolved, memory: Memory
    ) -> bool:
        """Create the Job for a start; return False if the API server rejected it."""
        # Before the first fence, the Lease that identifies the installation may not be known.
        await self.fence(memory)
        start = self._identified(start)
        owner = Owner(record.name, record.uid, record.kueue_labels)
        job = _NewJob(record, start, name_of(start, owner), memory)
        try:
            document = job_document(start, owner, resolved, self._installation)
        except ContractError as error:
            return self._reject(job, Reason.JOB_INVALID, str(error))
        if trains_together(start):
            # The Service comes first. Without it the pods wait for each other and hold GPUs.
            service = service_document(owner, record.namespace)
            problem = await self._ensure_service(service, memory)
            if problem is not None:
                return self._reject(job, *problem)
        await self.fence(memory)
        if self._cache.lost_jobs(record.uid):
            # A Job has disappeared since the plan. It may go on without its labels.
            raise OutdatedPassError
        try:
            created = await self._api.create_admitted(
                jobs_path(record.namespace), document, check=self._lease.check
            )
        except ApiError as error:
            if error.status == 504:
                # The API server may create it all the same, and had no time to say so.
                memory.unanswered.add(job.name)
            if error.status in (409, 504):
                return await self._adopt(job, error)
            return self._reject(job, reason_of(error), str(error))
        except ApiUnreachableError:
            memory.unanswered.add(job.name)
            raise
        self._cache.put_job(job_record(created))
        self._metrics.jobs.labels(start.order.steps[0].kind).inc()
        memory.rejections.clear(job.name)
        # Before the first Job that a process creates for a run, it has looked for others.
        memory.looked_epoch = memory.epoch
        log_event(_LOG, logging.INFO, "Job created", **job.log_fields())
        return True

    def _identified(self, start: Start) -> Start:
        """Return a start whose order names this installation, for the references in the store."""
        run = start.order.run.model_copy(update={"cluster": self._lease.uid})
        return replace(start, order=start.order.model_copy(update={"run": run}))

    async def _ensure_service(
        self, document: Document, memory: Memory
    ) -> tuple[Reason, str] | None:
        """Create a run's Service unless it exists; return reason and message of a rejection."""
        metadata = document["metadata"]
        await self.fence(memory)
        try:
            path = services_path(metadata["namespace"])
            await self._api.create_admitted(path, document, check=self._lease.check)
        except ApiError as error:
            if error.status != 409:
                return reason_of(error, "Service"), str(error)
            # A GET that finds nothing raises, and the next pass creates the Service.
            path = services_path(metadata["namespace"], metadata["name"])
            if not is_same_service(await self._api.get(path), document):
                message = service_conflict_message(metadata["name"])
                return Reason.SERVICE_NAME_CONFLICT, message
            return None
        log_event(
            _LOG,
            logging.INFO,
            "Service created",
            namespace=metadata["namespace"],
            service=metadata["name"],
        )
        return None

    async def _adopt(self, job: _NewJob, answer: ApiError) -> bool:
        """Use an existing Job if it is the Job for this start; return False for another Job.

        `answer` is that of the API server to the creation of the Job.
        """
        record, start = job.record, job.start
        try:
            found = job_record(await self._api.get(jobs_path(record.namespace, job.name)))
        except ApiError as error:
            if error.status != 404:
                raise
            if answer.status != 409:
                return self._reject(job, reason_of(answer), str(answer))
            # Somebody deleted the Job after our CREATE failed; the next pass creates it.
            self._queue.wake(record.uid)
            return True
        expected = (record.uid, start.steps, start.order.attempt)
        same = (found.run_uid, found.steps, found.number) == expected
        if same and found.readable:
            self._cache.put_job(found, present=True)
            log_event(_LOG, logging.INFO, "Job adopted", **job.log_fields())
            return True
        return self._reject(job, Reason.JOB_NAME_CONFLICT, job_conflict_message(job.name))

    def _reject(self, job: _NewJob, reason: Reason, message: str) -> bool:
        """Add a rejection, so that the run waits and tries again; return False."""
        text = stable_message(message, job.name)
        found = job.memory.rejections.add(job.name, job.start, reason, text, self._now())
        fields = {"reason": reason, "times": found.times, "error": found.message}
        log_event(_LOG, logging.WARNING, "Job rejected", **job.log_fields(), **fields)
        return False

    async def _remove(self, record: RunRecord, action: Stop | Remove, memory: Memory) -> None:
        if memory.rejections.remove(action.attempt):
            return
        jobs = self._cache.jobs_of(record.uid)
        job = next((j for j in jobs if j.name == action.attempt), None)
        if job is None or job.namespace != record.namespace:
            return
        if isinstance(action, Remove):
            await self.delete(job, "its result is stored", memory)
            return
        stopped = {job.name: attempt_of(job, memory.observations.get(job.uid))}
        try:
            await self.delete(job, action.reason, memory)
        except ApiUnreachableError:
            # The Job may be gone although the answer is lost.
            memory.stopped |= stopped
            raise
        # Its pods may be gone before a status counts it.
        memory.stopped |= stopped


def _job_fields(job: JobRecord) -> dict[str, object]:
    step = job.steps[0] if job.steps else None
    fields = stage_fields(
        namespace=job.namespace,
        run=job.run,
        stage=step.id if step else None,
        attempt=job.number,
        key=step.key if step else None,
    )
    return {"job": job.name, **fields}
