"""A pass over a run: read, plan, act, one status write.

It reads the cache, looks at pods where that is due, asks the planner, carries out its
actions and writes the status once, at the end, of what is then true. A Job that the API
server refuses is part of that truth, so the plan is made again before the status is
written. Where nothing has changed since a plan had nothing to do, the pass ends before
it plans. Nothing is written without the Lease. Whatever fails on the way ends the pass;
it is repeated, and finds what was done: a Job has one possible name, and an attempt that
exists is not started again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from isheep.contract.order import ContractError
from isheep.kube.attempts import attempt_of, inspection_due, is_over
from isheep.kube.cache import Cache
from isheep.kube.claims import Claims, Scope
from isheep.kube.client import (
    Api,
    ApiError,
    ApiUnreachableError,
    events_path,
    jobs_path,
    runs_path,
    services_path,
)
from isheep.kube.config import OperatorConfig
from isheep.kube.events import event_document, transitions
from isheep.kube.jobs import (
    CONFIG_MAPS,
    Document,
    Installation,
    Owner,
    claim_mirrors,
    is_service,
    job_document,
    name_of,
    service_document,
    trains_together,
)
from isheep.kube.lease import Lease
from isheep.kube.memory import IdlePlan, Memory
from isheep.kube.metrics import Metrics
from isheep.kube.patch import is_progress_only, status_patch
from isheep.kube.pod_inspection import PodInspector
from isheep.kube.pods import NAMESPACE_TERMINATING
from isheep.kube.queue import WorkQueue
from isheep.kube.records import JobRecord, Json, RunRecord, job_record, run_record
from isheep.kube.rejections import (
    conflict_message,
    reason_of,
    refuse,
    service_conflict_message,
)
from isheep.planner.pinning import Resolved
from isheep.planner.types import (
    Action,
    Attempt,
    Environment,
    Observed,
    Peer,
    Plan,
    RunView,
    StageRef,
    Start,
)

Planner = Callable[[RunView, Observed, datetime, Environment], Plan]
Clock = Callable[[], datetime]

MAX_ROUNDS = 4
"""Plans of one pass at most: the first, and one after each round of rejections."""
MAX_INSPECTIONS = 4
"""Jobs whose pods are looked at in one pass; a run has two or three."""
SPIN_SECONDS = 1.0
"""A pass that did nothing is not repeated sooner than this."""
_LOG = logging.getLogger(__name__)


class LeaseHeldError(Exception):
    """Another operator has the Lease; `seconds` is when to ask again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"another operator works; asked again in {seconds:.0f} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class PlannedPass:
    """A plan with what it was made of."""

    record: RunRecord
    view: RunView
    observed: Observed
    plan: Plan
    patch: dict[str, Any]
    now: datetime


class Reconciler:
    """Carries out passes. One run is passed over by one worker at a time."""

    def __init__(
        self,
        *,
        api: Api,
        cache: Cache,
        queue: WorkQueue,
        lease: Lease,
        pod_inspector: PodInspector,
        config: OperatorConfig,
        metrics: Metrics,
        planner: Planner,
        now: Clock,
        identity: str,
    ) -> None:
        self._api = api
        self._cache = cache
        self._queue = queue
        self._lease = lease
        self._looker = pod_inspector
        self._config = config
        self._metrics = metrics
        self._planner = planner
        self._now = now
        self._identity = identity
        self._claims = Claims()
        self._memories: dict[str, Memory] = {}

    def prime(self) -> None:
        """State the claims of all runs, before the first of them is planned."""
        for record in self._cache.runs:
            view = _view(record)
            attempts = self._attempts(record, Memory())
            self._claims.state(self._scope(view), view, attempts, ())
        gone = {job.run_uid for job in self._cache.jobs} - {run.uid for run in self._cache.runs}
        for uid in gone:
            if working := self._working(uid):
                oldest = self._cache.jobs_of(uid)[0]
                peer = Peer(oldest.run, uid, oldest.created, frozenset(working), frozenset())
                self._claims.inherit(oldest.namespace, peer)

    async def reconcile(self, uid: str) -> None:
        """Pass over a run; raises `ApiError` and `ApiUnreachableError`."""
        memory = self._memories.setdefault(uid, Memory())
        record = self._cache.runs.get(uid)
        if record is not None:
            await self._look(record, memory)
            # It may have been edited or deleted meanwhile.
            record = self._cache.runs.get(uid)
        if record is None:
            self._forget(uid)
            return
        try:
            await self._let_namespace_go(record, memory)
            await self._pass(record, memory)
        except LeaseHeldError as held:
            self._queue.wake(uid, held.seconds)

    async def _pass(self, record: RunRecord, memory: Memory) -> None:
        rest, now = memory.rest, self._now()
        if rest is not None and rest.holds(record, self._shown(record, memory, now), now):
            self._sleep(record, memory, rest.until, worked=False)
            return
        turn = self._plan(record, memory)
        memory.rest = self._rest(turn)
        if not self._may_write(turn, memory):
            due = self._progress_due(memory) if turn.patch else None
            self._sleep(record, memory, turn.plan.wake_at, due, worked=False)
            return
        for _ in range(MAX_ROUNDS):
            if not await self._act(turn, memory):
                break
            turn = self._plan(record, memory)
        written = not turn.patch or await self._write(turn, memory)
        self._sleep(record, memory, turn.plan.wake_at, worked=True)
        if not written or turn.plan.actions:
            # What was made or removed may stand otherwise than the plan had it, queued for example.
            self._queue.wake(record.uid)

    # --- reading ------------------------------------------------------------------------

    async def _look(self, record: RunRecord, memory: Memory) -> None:
        """Look at pods where it is due: few at a time, whoever made Jobs for the run."""
        now, jobs = self._now(), self._jobs(record)
        observations = {job.uid: memory.observations.get(job.uid) for job in jobs}
        times = {
            job.uid: inspection_due(job, observations[job.uid], self._config.timings)
            for job in jobs
        }
        due = [job for job in jobs if (time := times[job.uid]) is not None and time <= now]
        looks = (
            self._looker.look(job, observations[job.uid], now) for job in due[:MAX_INSPECTIONS]
        )
        found = zip(due, await asyncio.gather(*looks), strict=False)
        observations |= {job.uid: observation for job, observation in found}
        memory.observations = {
            uid: observation for uid, observation in observations.items() if observation is not None
        }

    def _attempts(self, record: RunRecord, memory: Memory) -> list[Attempt]:
        return [
            attempt_of(job, memory.observations.get(job.uid))
            for job in self._jobs(record)
            # One that was edited is nobody's; its name says so when it is needed.
            if job.readable
        ]

    def _shown(self, record: RunRecord, memory: Memory, now: datetime) -> tuple[Attempt, ...]:
        """Return the attempts that a plan is shown: what Jobs are, and what was refused."""
        return (*self._attempts(record, memory), *_refused(memory, now))

    def _jobs(self, record: RunRecord) -> list[JobRecord]:
        jobs = self._cache.jobs_of(record.uid)
        return [job for job in jobs if job.namespace == record.namespace]

    # --- planning -----------------------------------------------------------------------

    def _plan(self, record: RunRecord, memory: Memory) -> PlannedPass:
        now = self._now()
        view = _view(record)
        scope = self._scope(view)
        attempts = self._attempts(record, memory)
        memory.rejections = {n: r for n, r in memory.rejections.items() if r.until > now}
        shown = (*attempts, *_refused(memory, now))
        observed = Observed(shown, self._claims.peers(scope, record.uid))
        try:
            plan = self._planner(view, observed, now, self._environment(view))
        except ValidationError:
            view = _without_status(record)
            plan = self._planner(view, observed, now, self._environment(view))
        planned = replace(view, status=plan.status)
        for other in self._claims.state(scope, planned, attempts, plan.actions):
            self._queue.wake(other)
        patch = status_patch(json.loads(record.status), plan.status.document())
        return PlannedPass(record, view, observed, plan, patch, now)

    def _rest(self, turn: PlannedPass) -> IdlePlan | None:
        """Return the rest that a plan without anything to do begins."""
        if turn.plan.actions or turn.patch or self._claims.waits(turn.record.uid):
            return None
        return IdlePlan(turn.record, turn.observed.attempts, turn.plan.wake_at)

    def _environment(self, view: RunView) -> Environment:
        spec = view.spec
        references = (spec.get("promptsRef"), (spec.get("seedTasks") or {}).get("configMapRef"))
        config_maps = {r["name"]: f"{CONFIG_MAPS}/{r['name']}" for r in references if r}
        mirrors = dict(self._config.model_mirrors)
        claims = claim_mirrors(_uris(spec), mirrors)
        return Environment(
            default_storage=self._config.default_store,
            worker_image=self._config.worker_image,
            mirrors={**mirrors, **claims},
            config_maps=config_maps,
            pods=True,
        )

    def _scope(self, view: RunView) -> Scope:
        s3 = (view.spec.get("storage") or {}).get("s3")
        if s3 is None:
            store = self._config.default_store
            return view.namespace, "" if store is None else store.model_dump_json()
        place = [s3.get(name) for name in ("endpoint", "region", "bucket", "prefix")]
        return view.namespace, json.dumps(place)

    # --- acting -------------------------------------------------------------------------

    async def _fence(self) -> None:
        """Make sure, right before a write, that no other operator writes; else `LeaseHeldError`."""
        wait = await self._lease.ensure()
        if wait > 0:
            raise LeaseHeldError(wait)

    def _may_write(self, turn: PlannedPass, memory: Memory) -> bool:
        """Whether there is something to write now; mere progress is written once a minute."""
        if turn.plan.actions:
            return True
        if not turn.patch:
            return False
        if not is_progress_only(turn.patch, json.loads(turn.record.status)):
            return True
        due = self._progress_due(memory)
        return due is None or due <= turn.now

    def _progress_due(self, memory: Memory) -> datetime | None:
        if memory.progress_written is None:
            return None
        return memory.progress_written + timedelta(seconds=self._config.timings.progress_seconds)

    async def _act(self, turn: PlannedPass, memory: Memory) -> bool:
        """Carry out a plan's actions; returns whether a Job was refused."""
        refused = False
        for action in turn.plan.actions:
            if isinstance(action, Start):
                refused |= not await self._start(turn, action, memory)
            else:
                await self._remove(turn, action, memory)
        return refused

    async def _start(self, turn: PlannedPass, start: Start, memory: Memory) -> bool:
        record = turn.record
        owner = Owner(record.name, record.uid, record.kueue_labels)
        name = name_of(start, owner)
        try:
            resolved = Resolved.model_validate(turn.plan.status.resolved)
            document = job_document(start, owner, resolved, self._installation())
        except ContractError as error:
            return self._refused(name, start, "JobInvalid", str(error), memory)
        if trains_together(start):
            # Before the Job: its pods would wait for each other, and hold their GPUs.
            why = await self._serve(service_document(owner, record.namespace))
            if why is not None:
                return self._refused(name, start, *why, memory)
        await self._fence()
        try:
            created = await self._api.create(jobs_path(record.namespace), document)
        except ApiError as error:
            if error.status == 409:
                return await self._adopt(record, name, start, memory)
            return self._refused(name, start, reason_of(error), str(error), memory)
        self._cache.put_job(job_record(created))
        self._metrics.jobs.labels(start.order.steps[0].kind).inc()
        memory.refused.pop(name, None)
        return True

    async def _serve(self, document: Document) -> tuple[str, str] | None:
        """Make sure that there is a run's Service; returns reason and message where none can be."""
        metadata = document["metadata"]
        await self._fence()
        try:
            await self._api.create(services_path(metadata["namespace"]), document)
        except ApiError as error:
            if error.status != 409:
                return reason_of(error, "Service"), str(error)
            # If it is gone by now the pass is repeated.
            path = services_path(metadata["namespace"], metadata["name"])
            if not is_service(await self._api.get(path), document):
                message = service_conflict_message(metadata["name"])
                return "ServiceNameConflict", message
        return None

    async def _adopt(self, record: RunRecord, name: str, start: Start, memory: Memory) -> bool:
        """Take over a Job that was there already, if it is the very one that was to be created."""
        try:
            job = job_record(await self._api.get(jobs_path(record.namespace, name)))
        except ApiError as error:
            if error.status != 404:
                raise
            # It is gone by now; the next pass creates it.
            self._queue.wake(record.uid)
            return True
        steps = tuple(StageRef(step.id, step.key) for step in start.order.steps)
        same = (job.run_uid, job.steps, job.number) == (record.uid, steps, start.order.attempt)
        if same and job.readable:
            self._cache.put_job(job, present=True)
            return True
        message = conflict_message(name)
        return self._refused(name, start, "JobNameConflict", message, memory)

    def _refused(self, name: str, start: Start, reason: str, message: str, memory: Memory) -> bool:
        memory.refused[name] = memory.refused.get(name, 0) + 1
        memory.rejections[name] = refuse(
            name,
            start,
            reason=reason,
            message=message,
            times=memory.refused[name],
            now=self._now(),
        )
        return False

    async def _remove(self, turn: PlannedPass, action: Action, memory: Memory) -> None:
        if isinstance(action, Start):
            raise TypeError("a Start removes nothing")
        if memory.rejections.pop(action.attempt, None) is not None:
            return
        job = next((j for j in self._jobs(turn.record) if j.name == action.attempt), None)
        if job is not None:
            await self._delete(job)

    async def _let_namespace_go(self, record: RunRecord, memory: Memory) -> None:
        """Delete Jobs whose pods cannot be made any more because their namespace is going.

        Their controller keeps the last pod until it has made another one, and the namespace
        keeps everything until there is no pod.
        """
        for job in self._jobs(record):
            observation = memory.observations.get(job.uid)
            waiting = observation.waiting if observation is not None else None
            going = waiting is not None and waiting.reason == NAMESPACE_TERMINATING
            if going and not job.deleting:
                await self._delete(job)

    async def _delete(self, job: JobRecord) -> None:
        await self._fence()
        try:
            left = await self._api.delete(jobs_path(job.namespace, job.name), job.uid)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            # It is gone, or another one has its name.
            self._cache.jobs.drop(job.uid)
            self._queue.wake(job.run_uid)
            return
        if left.get("kind") == "Job":
            self._cache.put_job(job_record(left))
        else:
            self._cache.jobs.drop(job.uid)

    def _installation(self) -> Installation:
        config = self._config
        s3 = config.default_s3
        secret = s3.secret_ref.name if s3 is not None and s3.secret_ref is not None else None
        return Installation(
            image=config.worker_image,
            image_pull_policy=config.worker_image_pull_policy,
            default_secret=secret,
            mirrors=config.model_mirrors,
        )

    # --- writing ------------------------------------------------------------------------

    async def _write(self, turn: PlannedPass, memory: Memory) -> bool:
        """Write the status and tell what happened; False where the run has changed meanwhile."""
        record = turn.record
        path = runs_path(record.namespace, record.name)
        body = {
            "metadata": {"resourceVersion": str(record.resource_version)},
            "status": turn.patch,
        }
        await self._fence()
        try:
            answer = await self._api.patch_status(path, body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            await self._refresh(record)
            return False
        self._cache.runs.put(run_record(answer))
        memory.progress_written = turn.now
        await self._tell(turn)
        return True

    async def _refresh(self, record: RunRecord) -> None:
        try:
            found = run_record(await self._api.get(runs_path(record.namespace, record.name)))
        except ApiError as error:
            if error.status != 404:
                raise
            self._cache.runs.drop(record.uid)
            return
        if found.uid != record.uid:
            self._cache.runs.drop(record.uid)
        if self._cache.runs.put(found):
            self._queue.wake(found.uid)

    async def _tell(self, turn: PlannedPass) -> None:
        for note in transitions(turn.view.status, turn.plan.status):
            document = event_document(note, turn.view, self._identity, turn.now)
            try:
                await self._api.create(events_path(turn.view.namespace), document)
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning("an Event about %s is lost: %s", turn.view.name, error)

    # --- afterwards ---------------------------------------------------------------------

    def _sleep(
        self, record: RunRecord, memory: Memory, *planned: datetime | None, worked: bool
    ) -> None:
        """Have the run looked at again when the plan, a pod or a rejection asks for it."""
        times = [
            *planned,
            *(
                inspection_due(job, memory.observations.get(job.uid), self._config.timings)
                for job in self._jobs(record)
            ),
            *(rejection.until for rejection in memory.rejections.values()),
        ]
        until = min((time for time in times if time is not None), default=None)
        if until is None:
            return
        delay = (until - self._now()).total_seconds()
        self._queue.wake(record.uid, max(delay, 0.0 if worked else SPIN_SECONDS))

    def _forget(self, uid: str) -> None:
        self._memories.pop(uid, None)
        for other in self._claims.leave(uid, self._working(uid)):
            self._queue.wake(other)

    def _working(self, uid: str) -> set[str]:
        """Return the keys that Jobs of a run work on, whether or not it is there itself."""
        jobs = (job for job in self._cache.jobs_of(uid) if not is_over(job))
        return {step.key for job in jobs for step in job.steps}


def _refused(memory: Memory, now: datetime) -> list[Attempt]:
    """Return the attempts that the API server would not have, and that are not due again."""
    return [
        rejection.attempt() for rejection in memory.rejections.values() if rejection.until > now
    ]


def _uris(spec: Json) -> list[str]:
    """Return the URIs that a spec names, as the user wrote it."""
    benchmarks = ((spec.get("curation") or {}).get("decontamination") or {}).get("benchmarks")
    named = [spec.get("model"), spec.get("seedTasks"), *(benchmarks or ())]
    return [one["storageUri"] for one in named if one and one.get("storageUri")]


def _view(record: RunRecord) -> RunView:
    try:
        return record.view()
    except ValueError:
        return _without_status(record)


def _without_status(record: RunRecord) -> RunView:
    """Return a run as if it had none, because somebody wrote into it; prepare finds what exists."""
    _LOG.exception("the status of %s/%s cannot be read", record.namespace, record.name)
    return replace(record, status=b"{}").view()
