"""A cluster and an operator in memory and in virtual time; the test ends the Jobs.

The reconciler, the cache, the queue, the Lease and the inspection of pods are the operator's own.
`fake_api_server.py` is the API server, and the planner's `PlannerSimulation` computes the results
of stages. The fake cluster fails the test if a Job is created for a stage that is committed or
that another Job is running.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.order import StageOrder, dump_result, parse_order
from isheep.kube.cache.cache import Cache
from isheep.kube.cache.records import job_record, run_record
from isheep.kube.client import (
    ApiError,
    ApiUnreachableError,
    jobs_path,
    lease_path,
    pods_path,
    runs_path,
)
from isheep.kube.config import OperatorConfig
from isheep.kube.lease import Lease
from isheep.kube.observability.metrics import Metrics
from isheep.kube.passes.pod_inspection import PodInspector
from isheep.kube.passes.polls import Polls
from isheep.kube.passes.reconciler import Reconciler
from isheep.kube.queue import WorkQueue
from isheep.planner.plan import plan
from isheep.planner.types import Plan, Start
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind

from ..planner.simulation import PlannerSimulation, SimulatedAttempt, spec_with
from .builders import condition
from .fake_api_server import FakeApiServer, Json, copied
from .fake_session import FakeSession
from .virtual_time import monotonic, now, run_in_virtual_time

LEASE = lease_path("system", "isheep-operator")
RUNS, JOBS, PODS = runs_path("ns"), jobs_path("ns"), pods_path("ns")
ONE_ITERATION_SPEC = spec_with(iterations=1)


class OperatorProcess:
    """One operator process; a test ends the process by starting another one."""

    def __init__(
        self, server: FakeApiServer, session: FakeSession, config: OperatorConfig, name: str
    ) -> None:
        self.server = server
        self.cache, self.metrics = Cache(), Metrics()
        self.queue = WorkQueue(monotonic)
        self.passes: Counter[str] = Counter()
        self.plan_count = 0
        self.failures: list[Exception] = []
        self.lease = lease = Lease(
            server,  # type: ignore[arg-type]
            namespace="system",
            name="isheep-operator",
            identity=name,
            seconds=30,
            monotonic=monotonic,
            now=now,
        )
        self.reconciler = Reconciler(
            api=server,  # type: ignore[arg-type]
            cache=self.cache,
            queue=self.queue,
            lease=lease,
            renew=self._renew,
            pod_inspector=PodInspector(server),  # type: ignore[arg-type]
            polls=Polls(session),  # type: ignore[arg-type]
            config=config,
            metrics=self.metrics,
            planner=self._plan,
            now=now,
            identity=name,
        )
        # As `Lease.look` does before the first LIST.
        lease._document, lease._is_known = copied(server.objects.get(LEASE)), True
        self.drops_events = False
        self.listed_at, self.renewals = float("-inf"), 0
        server.watchers.append(self.receive_event)

    def _plan(self, *arguments: Any) -> Plan:
        self.plan_count += 1
        return plan(*arguments)

    async def _renew(self, since: float) -> int:
        """List again what was listed before a time, as `listing.py` does."""
        if self.listed_at >= since:
            return 0
        self.receive_list()
        self.renewals += 1
        return 1

    def receive_event(self, kind: str, document: Json) -> None:
        """Put a watch event into the cache, as `operator.py` does."""
        if self.drops_events:
            return
        if document.get("kind") == "SelfAlignmentRun":
            record = run_record(document)
            if kind == "DELETED":
                self.cache.runs.drop(record.uid, record.resource_version)
                self.queue.wake(record.uid)
            elif self.cache.runs.put(record):
                self.queue.wake(record.uid)
        elif document.get("kind") == "Job":
            job = job_record(document)
            # A watch with a selector reports an object as deleted that does not match any more.
            if kind == "DELETED" or not job.labelled:
                self.cache.lose_job(job)
                self.queue.wake(job.run_uid)
            elif self.cache.put_job(job):
                self.queue.wake(job.run_uid)

    def receive_list(self, *, jobs: bool = True) -> None:
        """Put a LIST into the cache, as `operator.py` does; list only runs without `jobs`."""
        self.listed_at = monotonic()
        version = self.server.version
        runs = [run_record(o) for _, o in self.server.collection(RUNS)]
        for record in self.cache.runs.replace(runs, version):
            self.queue.wake(record.uid)
        records = [job_record(o) for _, o in self.server.collection(JOBS)] if jobs else []
        listed = [job for job in records if job.labelled]
        for job in self.cache.replace_jobs(listed, version) if jobs else ():
            self.queue.wake(job.run_uid)

    async def run_pass(self, seconds: float | None = 1e9) -> str | None:
        """Run the next pass that is due within some seconds, and return the uid of its run.

        A pass that fails is due again after a second.

        Returns:
            None if no pass is due within that time.
        """
        if seconds == 0 and not self.queue.waiting():
            return None
        try:
            async with asyncio.timeout(seconds):
                uid = await self.queue.take()
        except TimeoutError:
            return None
        self.passes[uid] += 1
        try:
            await self.reconciler.reconcile(uid)
        except (ApiError, ApiUnreachableError) as error:
            self.failures.append(error)
            self.queue.wake(uid, 1)
        finally:
            self.queue.done(uid)
        return uid

    async def run_due_passes(self, seconds: float = 0.0, limit: int = 2000) -> None:
        """Run all passes that are due within some seconds, and return after that time."""
        end = monotonic() + seconds
        for _ in range(limit):
            if await self.run_pass(max(0.0, end - monotonic())) is None:
                return
        raise AssertionError(f"passes are still due after {limit} passes")


class FakeCluster:
    """An API server, the results of stages, and an operator."""

    def __init__(self, **config: Any) -> None:
        self.server = FakeApiServer()
        self.session = FakeSession()
        self.simulation = PlannerSimulation()
        self.config = OperatorConfig.read({"workerImage": "image-1", **config})
        self.checks_created_jobs = True
        self.started: list[str] = []
        self.server.watchers.append(self._check_created_job)
        self.start_operator()

    def start_operator(self, name: str = "operator", *, jobs: bool = True) -> OperatorProcess:
        """Start an operator with a first LIST; it replaces the operator that ran before.

        Args:
            name: The identity of the operator, for the Lease.
            jobs: Whether the first LIST contains Jobs in addition to runs.
        """
        if hasattr(self, "operator"):
            self.server.watchers.remove(self.operator.receive_event)
        self.operator = OperatorProcess(self.server, self.session, self.config, name)
        self.operator.receive_list(jobs=jobs)
        self.operator.reconciler.prime()
        return self.operator

    # --- runs ---------------------------------------------------------------------------

    def create_run(self, name: str = "run", spec: Json | None = None, **metadata: Any) -> str:
        """Create a run and return its path."""
        document = {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": {"name": name, "namespace": "ns", **metadata},
            "spec": ONE_ITERATION_SPEC if spec is None else spec,
            "status": {"observedGeneration": -1},
        }
        self.server.put(RUNS, document)
        return f"{RUNS}/{name}"

    def uid(self, name: str = "run") -> str:
        return str(self.server.objects[f"{RUNS}/{name}"]["metadata"]["uid"])

    def status(self, name: str = "run") -> SelfAlignmentRunStatus:
        return SelfAlignmentRunStatus.read(self.server.objects[f"{RUNS}/{name}"]["status"])

    def ready_condition(self, name: str = "run") -> tuple[str, str]:
        """Return the reason and the message of a run's condition Ready."""
        found = [c for c in self.status(name).conditions if c.type == "Ready"]
        return (found[0].reason, found[0].message) if found else ("", "")

    # --- Jobs ---------------------------------------------------------------------------

    def jobs(self, *, active: bool = True) -> list[str]:
        """Return the paths of the Jobs that have not ended, or of all Jobs if not `active`."""
        return [p for p, o in self.server.collection(JOBS) if not active or not _has_ended(o)]

    def job(self, path: str) -> Json:
        return self.server.objects[path]

    def order(self, path: str) -> StageOrder:
        """Return the order of a Job, as its pod reads it."""
        (container,) = self.job(path)["spec"]["template"]["spec"]["containers"]
        env = {v["name"]: v.get("value") for v in container["env"]}
        return parse_order(env["ISHEEP_ORDER"].replace("$$", "$"), env["ISHEEP_ORDER_SHA256"])

    def run_pod(self, path: str, **status: Any) -> None:
        """Make the pod of a Job run; `status` replaces fields of the Job's status."""
        pod: Json = {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "containerStatuses": [
                {"name": "worker", "state": {"running": {"startedAt": _time(now())}}}
            ],
        }
        self.put_pod(path, pod)
        defaults = {"active": 1, "ready": 1, "startTime": _time(now())}
        self.server.change(path, status={**defaults, **status})

    def complete(self, path: str) -> None:
        """End a Job with success: its pod writes the result that a worker would write."""
        order = self.order(path)
        simulation = self.simulation
        pool = STAGE_DEFINITIONS[StageKind(order.steps[0].kind)].pool
        simulation.attempts["job"] = SimulatedAttempt(Start(order, pool, 1), simulation.now)
        simulation.complete("job")
        (result,) = simulation.attempts.pop("job").results
        self._end(path, "Complete", "Succeeded", 0, dump_result(result))

    def fail(self, path: str, code: int, message: str = "", **fields: Any) -> None:
        """End a Job with an exit code; `fields` replace fields of the container's state."""
        self._end(path, "Failed", "Failed", code, message, **fields)

    def collect_garbage(self) -> None:
        """Remove all Jobs that are being deleted, and their pods first."""
        for path, job in list(self.server.collection(JOBS)):
            if "deletionTimestamp" in job["metadata"]:
                self._remove_pods(job)
                self.server.remove(path)

    def _end(
        self, path: str, kind: str, phase: str, code: int, message: str, **fields: Any
    ) -> None:
        ended = {
            "exitCode": code,
            "message": message,
            "startedAt": _time(now()),
            "finishedAt": _time(now()),
            **fields,
        }
        state = {"name": "worker", "state": {"terminated": ended}}
        self.put_pod(path, {"phase": phase, "containerStatuses": [state]})
        conditions = [condition(kind, lastTransitionTime=_time(now()))]
        self.server.change(path, status={"conditions": conditions})

    def put_pod(self, path: str, status: Json) -> None:
        """Replace the pod of a Job by a pod with this status."""
        job = self.job(path)
        name = f"{job['metadata']['name']}-0"
        self.server.objects.pop(f"{PODS}/{name}", None)
        uid = job["metadata"]["uid"]
        labels = job["spec"]["template"]["metadata"]["labels"]
        labels = {**labels, "batch.kubernetes.io/controller-uid": uid}
        owner = {"kind": "Job", "name": job["metadata"]["name"], "uid": uid, "controller": True}
        metadata = {"name": name, "namespace": "ns", "labels": labels, "ownerReferences": [owner]}
        self.server.put(PODS, {"kind": "Pod", "metadata": metadata, "status": status})

    def _remove_pods(self, job: Json) -> None:
        for path, pod in list(self.server.collection(PODS)):
            owner = pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"]
            if owner == job["metadata"]["uid"]:
                self.server.remove(path)

    def _check_created_job(self, kind: str, document: Json) -> None:
        """Fail the test if the operator creates a Job that it must not create."""
        if kind != "ADDED" or document.get("kind") != "Job" or not self.checks_created_jobs:
            return
        path = f"{JOBS}/{document['metadata']['name']}"
        owner = document["metadata"]["labels"]["isheep.dev/run-uid"]
        order = self.order(path)
        self.started.append(order.steps[0].id)
        # Each run starts its own prepare, even if another run has the same key.
        keys = {step.key for step in order.steps if step.id != "prepare"}
        for other, job in self.server.collection(JOBS):
            if other != path and not _has_ended(job) and "isheep.dev/steps" in _annotations(job):
                running = {step.key for step in self.order(other).steps}
                assert running.isdisjoint(keys), f"{order.steps[0].id} is running already"
        for _, run in self.server.collection(RUNS):
            if run["metadata"]["uid"] == owner:
                status = SelfAlignmentRunStatus.read(run["status"])
                committed = {r.key for r in status.stages if r.committed}
                assert committed.isdisjoint(keys), f"{order.steps[0].id} is committed already"

    # --- scenarios ----------------------------------------------------------------------

    def is_over(self, name: str = "run") -> bool:
        """Return whether a run has ended, with success or not."""
        return any(c.type in ("Complete", "Failed") for c in self.status(name).conditions)

    async def run_to_end(self, *names: str, limit: int = 400) -> None:
        """Complete every Job until the runs have ended and their Jobs are deleted."""
        for _ in range(limit):
            await self.operator.run_due_passes()
            self.collect_garbage()
            await self.operator.run_due_passes()
            for path in self.jobs():
                if not self.job(path)["spec"].get("suspend"):
                    self.complete(path)
            if all(self.is_over(name) for name in names or ("run",)) and not self.jobs():
                for _ in range(40):
                    await self.operator.run_due_passes(5)
                    self.collect_garbage()
                    if not self.jobs(active=False):
                        break
                await self.operator.run_due_passes(5)
                return
            if not self.operator.queue.waiting() and not self.jobs():
                await self.operator.run_pass(3600)
            await asyncio.sleep(1)
        raise AssertionError(f"the run has not ended: {self.ready_condition()}")


def run_scenario(scenario: Callable[[FakeCluster], Any], **config: Any) -> FakeCluster:
    """Run a scenario in virtual time and return the cluster in its final state."""
    clusters: list[FakeCluster] = []

    async def run() -> None:
        clusters.append(FakeCluster(**config))
        await scenario(clusters[0])

    run_in_virtual_time(run())
    return clusters[0]


def _has_ended(job: Json) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in ("Complete", "Failed") for c in conditions)


def _annotations(job: Json) -> Json:
    return job["metadata"].get("annotations") or {}


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
