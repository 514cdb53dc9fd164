"""The pass over a run: read, plan, act, and write the status once.

A pass reads the cache, inspects pods that are due, plans, performs the actions and writes the
status at the end. A Job that the API server rejects changes the plan, so the pass plans again
before it writes. If nothing has changed since a plan without actions, the pass ends before it
plans. Any error ends the pass, and the operator repeats it later. That is safe: a Job has one
possible name, and an attempt that exists does not start again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from isheep.kube.cache.cache import Cache
from isheep.kube.cache.records import JobRecord, RunRecord
from isheep.kube.cache.run_views import view_of, without_status
from isheep.kube.client import Api
from isheep.kube.config import OperatorConfig
from isheep.kube.job_building.jobs import installation_of
from isheep.kube.job_building.volumes import POD_FOLDERS
from isheep.kube.lease import LOOK_SECONDS, Lease, LeaseHeldError
from isheep.kube.observability.metrics import Metrics
from isheep.kube.observability.traces import traces_of
from isheep.kube.passes.actions import Actions, NotDeletedError
from isheep.kube.passes.attempts import attempt_of, inspection_due, still_true, why_useless
from isheep.kube.passes.fence import Fence, Renew
from isheep.kube.passes.forgotten_jobs import ForgottenJobs, is_due
from isheep.kube.passes.memory import IdlePlan, Memory, idle_plan
from isheep.kube.passes.neighbours import Neighbours
from isheep.kube.passes.patch import is_progress_only, status_patch
from isheep.kube.passes.pod_inspection import PodInspector
from isheep.kube.passes.polls import Polls, Progress, with_answer
from isheep.kube.passes.refusals import Refusals
from isheep.kube.passes.status_writer import StatusRefusedError, StatusWriter
from isheep.kube.passes.unseen_jobs import UnseenJobs
from isheep.kube.queue import WorkQueue
from isheep.logs import log_event
from isheep.planner.types import Attempt, Environment, Observed, Plan, RunView

Planner = Callable[[RunView, Observed, datetime, Environment], Plan]
Clock = Callable[[], datetime]

MAX_PLANS = 4
"""The most plans of one pass: the first, and one after each round of rejections."""
MAX_INSPECTIONS = 4
"""The most Jobs whose pods one pass inspects; a run has two or three."""
SETTLE_SECONDS = 2.0
"""The wait before a run is planned again after actions. Their first effect wakes it before."""
SPIN_SECONDS = 1.0
"""The shortest wait before the next pass after a pass without a write."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlannedPass:
    """A plan with its inputs and the status patch that it needs."""

    record: RunRecord
    view: RunView
    observed: Observed
    plan: Plan
    patch: dict[str, Any]
    now: datetime


class Reconciler:
    """Performs passes. The queue makes sure that one run has one pass at a time."""

    def __init__(
        self,
        *,
        api: Api,
        cache: Cache,
        queue: WorkQueue,
        lease: Lease,
        renew: Renew,
        pod_inspector: PodInspector,
        polls: Polls,
        config: OperatorConfig,
        metrics: Metrics,
        planner: Planner,
        now: Clock,
        identity: str,
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._pod_inspector = pod_inspector
        self._polls = polls
        self._config = config
        self._metrics = metrics
        self._planner = planner
        self._now = now
        self._neighbours = Neighbours(cache, queue, config)
        self._memories: dict[str, Memory] = {}
        self._traces = traces_of(config.tracing, identity)
        self._writer = StatusWriter(
            api=api, cache=cache, queue=queue, identity=identity, check=lease.check
        )
        self._unseen = UnseenJobs(api, cache, queue)
        self._forgotten = ForgottenJobs(api, cache, queue, self._unseen)
        self._environment = Environment(
            default_storage=config.default_store,
            worker_image=config.worker_image,
            mirrors=dict(config.model_mirrors),
            pods=POD_FOLDERS,
            prices=config.prices,
            runs_per_namespace=config.limits.runs_per_namespace,
            deletes_runs=config.ttl.enabled,
        )
        self._fence = Fence(lease, renew)
        self._actions = Actions(
            api=api,
            cache=cache,
            queue=queue,
            lease=lease,
            fence=self._fence,
            metrics=metrics,
            installation=installation_of(config),
            now=now,
        )
        self._refusals = Refusals(
            writer=self._writer, actions=self._actions, queue=queue, metrics=metrics
        )

    def prime(self, namespace: str | None = None, uids: Collection[str] | None = None) -> None:
        """State keys and places of a namespace's runs before a plan: of all, or those in `uids`."""
        self._neighbours.prime(namespace, self._now(), uids)

    async def reconcile(self, uid: str) -> None:
        """Perform a pass over a run; raises `ApiError` and `ApiUnreachableError`."""
        memory = self._memories.setdefault(uid, Memory())
        memory.epoch = self._fence.epoch
        record = self._cache.runs.get(uid)
        await self._unseen.look(uid, record, memory, self._now())
        if record is not None:
            self._expect(record, memory)
            await self._inspect_pods(record, memory)
            # The run may have been edited or deleted during the inspection.
            record = self._cache.runs.get(uid)
        if record is not None and record.rests:
            record = await self._read_resting(record)
        if record is None:
            self._forget(uid)
            return
        try:
            await self._release(record, memory)
            await self._pass(record, memory)
        except LeaseHeldError as held:
            log_event(
                _LOG,
                logging.DEBUG,
                "Pass ends: another operator holds the Lease",
                namespace=record.namespace,
                run=record.name,
                retry_seconds=round(held.seconds, 1),
            )
            self._neighbours.reset_place(view_of(record), self._attempts(record, memory))
            self._queue.wake(uid, min(held.seconds, LOOK_SECONDS))
        except NotDeletedError as refused:
            await self._refusals.note_kept(record, memory, refused, self._now())

    async def _read_resting(self, record: RunRecord) -> RunRecord | None:
        """Return the whole record of a run that rests; None if there is nothing to do."""
        due = record.expires
        if not self._jobs(record) and (due is None or self._now() < due):
            self._log_idle(record, "the run has ended or is suspended")
            if due is not None:
                self._queue.wake(record.uid, (due - self._now()).total_seconds())
            return None
        return await self._read(record)

    async def _read(self, record: RunRecord) -> RunRecord | None:
        """Return the whole record of a run; None if the run does not exist any more."""
        found = await self._writer.read(record)
        return found if found is not None and found.uid == record.uid else None

    async def _pass(self, record: RunRecord, memory: Memory) -> None:
        idle, now = memory.idle, self._now()
        if idle is not None and idle.holds(record, self._shown(record, memory, now), now):
            self._log_idle(record, "nothing has changed since the last plan")
            self._schedule(record, memory, idle.until, wrote=False)
            return
        if record.partial:
            whole = await self._read(record)
            if whole is None:
                return  # The watch reports the deletion.
            record = whole
        planned = await self._planned(record, memory)
        memory.idle = None
        if not self._may_write(planned, memory):
            memory.idle = None if planned.patch else self._idle(planned, record)
            due = self._progress_due(memory) if planned.patch else None
            why = "progress was written recently" if planned.patch else "the plan has no actions"
            self._log_idle(record, why)
            self._schedule(record, memory, planned.plan.wake_at, due, wrote=False)
            return
        if memory.refused is not None and planned.patch:
            # No Job may start before its result can be stored.
            if await self._write(planned, memory) is not None:
                self._queue.wake(record.uid)
            return
        for _ in range(MAX_PLANS):
            if not await self._actions.perform(record, planned.plan, memory):
                break
            # A rejection is an attempt that waits. The next plan shows it in the status.
            planned = self._plan(record, memory)
        stored = await self._write(planned, memory) if planned.patch else record
        if memory.refused is not None:
            return
        self._schedule(record, memory, planned.plan.wake_at, wrote=True)
        if stored is None:
            self._queue.wake(record.uid)
            return
        # A plan with the status that it has made finds nothing to do.
        memory.idle = self._idle(planned, stored)
        if planned.plan.actions:
            # A later pass compares the plan with the Jobs that exist then; Kueue may hold them.
            self._queue.wake(record.uid, SETTLE_SECONDS)

    # --- reading ------------------------------------------------------------------------

    async def _inspect_pods(self, record: RunRecord, memory: Memory) -> None:
        """Inspect the pods that are due, of a few Jobs only: anybody may create Jobs for a run."""
        now, known, timings = self._now(), memory.observations, self._config.timings
        jobs = {job.uid: job for job in self._jobs(record)}
        due_at = [(inspection_due(one, known.get(uid), timings), one) for uid, one in jobs.items()]
        due = [job for time, job in due_at if time is not None and time <= now][:MAX_INSPECTIONS]
        inspections = (self._pod_inspector.inspect(job, known.get(job.uid), now) for job in due)
        # Most passes inspect nothing, and a gather of nothing waits for the event loop.
        found = await asyncio.gather(*inspections) if due else []
        for job in (job for job, one in zip(due, found, strict=True) if one.may_be_gone):
            await self._unseen.read(job)
        # The answers to polls may have changed other observations meanwhile.
        known |= {job.uid: one for job, one in zip(due, found, strict=True)}
        memory.observations = {
            uid: still_true(jobs[uid], one) for uid, one in known.items() if uid in jobs
        }
        for job, one in zip(due, found, strict=True):
            if one.polled == now and one.address is not None:
                self._polls.start(job, one.address, self._note_answer)

    def _note_answer(self, job: JobRecord, address: str, answer: Progress | None) -> None:
        """Note the answer to a poll, and wake the run if it has reported something new."""
        memory = self._memories.get(job.run_uid)
        before = memory.observations.get(job.uid) if memory is not None else None
        if memory is None or before is None or before.final:
            return
        after = with_answer(before, job, address, answer)
        memory.observations[job.uid] = after
        news = replace(after, address=before.address, silent=before.silent, pods=before.pods)
        if news != before:
            self._queue.wake(job.run_uid)

    def _expect(self, record: RunRecord, memory: Memory) -> None:
        """Add a run to the queue for places before its pass waits for anything."""
        if not record.rests and self._config.limits.runs_per_namespace is not None:
            self._neighbours.expect(view_of(record), self._attempts(record, memory))

    def _attempts(self, record: RunRecord, memory: Memory) -> list[Attempt]:
        return [
            attempt_of(job, memory.observations.get(job.uid))
            for job in self._jobs(record)
            # A Job whose labels somebody edited belongs to no stage. If the plan needs its name,
            # the CREATE fails and the run reports JobNameConflict.
            if job.readable
        ]

    def _shown(self, record: RunRecord, memory: Memory, now: datetime) -> tuple[Attempt, ...]:
        """Return the attempts for a plan: those of Jobs, and the rejections."""
        return (*self._attempts(record, memory), *memory.rejections.attempts(now))

    def _jobs(self, record: RunRecord) -> list[JobRecord]:
        jobs = self._cache.jobs_of(record.uid)
        return [job for job in jobs if job.namespace == record.namespace]

    # --- planning -----------------------------------------------------------------------

    async def _planned(self, record: RunRecord, memory: Memory) -> PlannedPass:
        """Plan, look for what the actions of the plan need to know, and then plan again."""
        planned = self._plan(record, memory)
        if is_due(record, planned.plan.actions, memory):
            await self._actions.fence(memory)
            if await self._forgotten.find(record, memory):
                planned = self._plan(record, memory)
        if seen := await self._pod_inspector.inspect_before_stops(
            self._jobs(record), planned.plan.actions, memory.observations, planned.now
        ):
            memory.observations |= seen
            planned = self._plan(record, memory)
        return planned

    def _plan(self, record: RunRecord, memory: Memory) -> PlannedPass:
        now = self._now()
        view = view_of(record)
        memory.rejections.drop_over(now, record.asked)
        attempts = self._attempts(record, memory)
        shown = (*attempts, *memory.rejections.attempts(now))
        observed = replace(
            self._neighbours.observed(view, shown, tuple(memory.stopped.values())),
            gone=tuple(memory.gone.values()),
        )
        try:
            plan = self._planner(view, observed, now, self._environment)
        except ValidationError:
            view = without_status(record)
            plan = self._planner(view, observed, now, self._environment)
        planned = replace(view, status=plan.status)
        # Before the first await: two runs that are planned at the same moment see each other.
        self._neighbours.state(view, planned, plan, attempts)
        patch = status_patch(json.loads(record.status), plan.status.document())
        return PlannedPass(record, view, observed, plan, patch, now)

    def _idle(self, planned: PlannedPass, stored: RunRecord) -> IdlePlan | None:
        """Return the idle plan after a plan, if it is one; `stored` has the status of the plan."""
        if self._neighbours.waits(planned.view):
            return None
        return idle_plan(planned.plan, stored, planned.observed.attempts, planned.now)

    # --- writing ------------------------------------------------------------------------

    def _may_write(self, planned: PlannedPass, memory: Memory) -> bool:
        """Return whether to write now; a patch that is only progress waits up to a minute."""
        if planned.plan.actions:
            return True
        if not planned.patch:
            return False
        if not is_progress_only(planned.patch, json.loads(planned.record.status)):
            return True
        due = self._progress_due(memory)
        return due is None or due <= planned.now

    def _progress_due(self, memory: Memory) -> datetime | None:
        if memory.progress_written is None:
            return None
        return memory.progress_written + timedelta(seconds=self._config.timings.progress_seconds)

    async def _write(self, planned: PlannedPass, memory: Memory) -> RunRecord | None:
        """Write the status; return None if the run has changed, or its status is refused."""
        await self._actions.fence(memory)
        record, status, now = planned.record, planned.plan.status, planned.now
        try:
            written = await self._writer.write(record, planned.view, status, planned.patch, now)
        except StatusRefusedError as refused:
            await self._refusals.stop(planned.view, self._jobs(record), memory, refused, now)
            self._neighbours.free_place(record.uid)
            return None
        if written is not None:
            memory.progress_written = now
            memory.stopped.clear()
            memory.gone.clear()
            self._metrics.count_gpus(record.namespace, planned.view.status.gpu, status.gpu)
            self._metrics.count_failures(planned.view.status, status)
            self._traces.note(planned.view, status, planned.observed.attempts, now)
        memory.refused = None
        return written

    def _log_idle(self, record: RunRecord, why: str) -> None:
        fields = {"namespace": record.namespace, "run": record.name, "why": why}
        log_event(_LOG, logging.DEBUG, "Pass without a write", **fields)

    # --- afterwards ---------------------------------------------------------------------

    async def _release(self, record: RunRecord, memory: Memory) -> None:
        """Delete Jobs that cannot get pods as they are."""
        for job in self._jobs(record):
            why = why_useless(job, memory.observations, record.kueue_labels)
            if why is not None:
                await self._actions.delete(job, why, memory)

    def _schedule(
        self, record: RunRecord, memory: Memory, *planned: datetime | None, wrote: bool
    ) -> None:
        """Schedule the next pass for when the plan, a pod or a rejection needs it."""
        settled = self._now() + timedelta(seconds=SETTLE_SECONDS)
        times = [
            *(max(time, settled) for time in planned if time is not None),
            *(
                inspection_due(job, memory.observations.get(job.uid), self._config.timings)
                for job in self._jobs(record)
            ),
            *memory.rejections.due(),
        ]
        until = min((time for time in times if time is not None), default=None)
        if until is not None:
            # The clock may have jumped since the plan, so a pass looks again with the next LIST.
            delay = min((until - self._now()).total_seconds(), self._config.timings.list_seconds)
            self._queue.wake(record.uid, max(delay, 0.0 if wrote else SPIN_SECONDS))

    def _forget(self, uid: str) -> None:
        self._memories.pop(uid, None)
        self._neighbours.leave(uid, self._now())
