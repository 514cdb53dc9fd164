"""A cluster with an operator in it, in memory and virtual time: Jobs end as the test says.

The reconciler, the cache, the queue, the Lease and the looks are the real ones; the API
server is `server.py`'s, and what stages leave is the planner's `World`'s. The server
breaks the test when a Job is created for a stage that is committed or at work.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import ClientTimeout

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.order import StageOrder, dump_result, parse_order
from isheep.kube.cache import Cache
from isheep.kube.client import ApiError, ApiUnreachableError, jobs_path, pods_path, runs_path
from isheep.kube.config import OperatorConfig
from isheep.kube.lease import Lease
from isheep.kube.metrics import Metrics
from isheep.kube.pod_inspection import PodInspector
from isheep.kube.queue import WorkQueue
from isheep.kube.reconciler import Reconciler
from isheep.kube.records import job_record, run_record
from isheep.planner.plan import plan
from isheep.planner.types import Plan, Start
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind

from ..planner.world import Job as Attempt
from ..planner.world import World, spec_with
from .builders import at, condition
from .server import Json, Server
from .virtual import monotonic, now, run

RUNS, JOBS, PODS = runs_path("ns"), jobs_path("ns"), pods_path("ns")
SHORT = spec_with(iterations=1)


@dataclass
class Content:
    text: bytes

    async def read(self, size: int) -> bytes:
        return self.text[:size]


@dataclass
class Answer:
    """An answer that is there, or one that is awaited."""

    found: Any

    async def __aenter__(self) -> Answer:
        found = await self.found if asyncio.iscoroutine(self.found) else self.found
        if isinstance(found, Exception):
            raise found
        text = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.content = Content(text)
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@dataclass
class Session:
    """Answers for pods at /progress."""

    answer: Callable[[str], Any] = lambda url: {}
    asked: list[str] = field(default_factory=list)

    def get(self, url: str, *, timeout: ClientTimeout, allow_redirects: bool) -> Any:
        # A pod must not send the operator to others, nor keep it waiting.
        assert not allow_redirects
        assert timeout.total is not None
        self.asked.append(url)
        return Answer(self.answer(url))


class Operator:
    """One operator process: it dies with all that it remembers when it is dropped."""

    def __init__(self, server: Server, session: Session, config: OperatorConfig, name: str) -> None:
        self.server = server
        self.cache, self.metrics = Cache(), Metrics()
        self.queue = WorkQueue(monotonic)
        self.passes: Counter[str] = Counter()
        self.plans = 0
        self.failures: list[Exception] = []
        lease = Lease(
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
            pod_inspector=PodInspector(server, session),  # type: ignore[arg-type]
            config=config,
            metrics=self.metrics,
            planner=self._plan,
            now=now,
            identity=name,
        )
        self.deaf = False
        server.watchers.append(self.hear)

    def _plan(self, *arguments: Any) -> Plan:
        self.plans += 1
        return plan(*arguments)

    def hear(self, kind: str, document: Json) -> None:
        """Take in an event, as `operator.py` does."""
        if self.deaf:
            return
        if document.get("kind") == "SelfAlignmentRun":
            run_ = run_record(document)
            if kind == "DELETED":
                self.cache.runs.drop(run_.uid, run_.resource_version)
                self.queue.wake(run_.uid)
            elif self.cache.runs.put(run_):
                self.queue.wake(run_.uid)
        elif document.get("kind") == "Job":
            job = job_record(document)
            if kind == "DELETED":
                self.cache.jobs.drop(job.uid, job.resource_version)
                self.queue.wake(job.run_uid)
            elif self.cache.put_job(job):
                self.queue.wake(job.run_uid)

    def list(self, *, jobs: bool = True) -> None:
        """Take in a LIST, as `operator.py` does; without `jobs` of runs alone."""
        version = self.server.version
        runs = [run_record(o) for _, o in self.server.under(RUNS)]
        for found in self.cache.runs.replace(runs, version):
            self.queue.wake(found.uid)
        listed = [job_record(o) for _, o in self.server.under(JOBS)] if jobs else []
        for job in self.cache.replace_jobs(listed, version) if jobs else ():
            self.queue.wake(job.run_uid)

    async def one(self, seconds: float | None = 1e9) -> str | None:
        """Take the next pass, and repeat it later where it fails; None where none is due."""
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

    async def settle(self, seconds: float = 0.0, limit: int = 2000) -> None:
        """Take all passes that are due within some seconds; they have passed then."""
        end = monotonic() + seconds
        for _ in range(limit):
            if await self.one(max(0.0, end - monotonic())) is None:
                return
        raise AssertionError(f"no rest after {limit} passes")


class Site:
    """The whole: a server, what stages leave, and an operator."""

    def __init__(self, **config: Any) -> None:
        self.server = Server()
        self.session = Session()
        self.world = World()
        self.config = OperatorConfig.read({"workerImage": "image-1", **config})
        self.guard = True
        self.started: list[str] = []
        self.server.watchers.append(self._check)
        self.begin()

    def begin(self, name: str = "operator", *, jobs: bool = True) -> Operator:
        """Start an operator that knows what is there, or but the runs; the one before is dead."""
        if hasattr(self, "operator"):
            self.server.watchers.remove(self.operator.hear)
        self.operator = Operator(self.server, self.session, self.config, name)
        self.operator.list(jobs=jobs)
        self.operator.reconciler.prime()
        return self.operator

    # --- runs ---------------------------------------------------------------------------

    def create(self, name: str = "run", spec: Json | None = None, **metadata: Any) -> str:
        """Create a run; returns its path."""
        document = {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": {"name": name, "namespace": "ns", **metadata},
            "spec": SHORT if spec is None else spec,
            "status": {"observedGeneration": -1},
        }
        self.server.put(RUNS, document)
        return f"{RUNS}/{name}"

    def uid(self, name: str = "run") -> str:
        return str(self.server.objects[f"{RUNS}/{name}"]["metadata"]["uid"])

    def status(self, name: str = "run") -> SelfAlignmentRunStatus:
        return SelfAlignmentRunStatus.read(self.server.objects[f"{RUNS}/{name}"]["status"])

    def ready(self, name: str = "run") -> tuple[str, str]:
        """Return the reason and the message of a run."""
        found = [c for c in self.status(name).conditions if c.type == "Ready"]
        return (found[0].reason, found[0].message) if found else ("", "")

    # --- Jobs ---------------------------------------------------------------------------

    def jobs(self, *, active: bool = True) -> list[str]:
        """Return the paths of Jobs, of those that have not ended, or of all."""
        return [p for p, o in self.server.under(JOBS) if not active or not _over(o)]

    def job(self, path: str) -> Json:
        return self.server.objects[path]

    def order(self, path: str) -> StageOrder:
        (container,) = self.job(path)["spec"]["template"]["spec"]["containers"]
        env = {v["name"]: v.get("value") for v in container["env"]}
        return parse_order(env["ISHEEP_ORDER"].replace("$$", "$"), env["ISHEEP_ORDER_SHA256"])

    def work(self, path: str, **status: Any) -> None:
        """Have a Job's pod run."""
        pod: Json = {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "containerStatuses": [
                {"name": "worker", "state": {"running": {"startedAt": _time(now())}}}
            ],
        }
        self._pod(path, pod)
        plain = {"active": 1, "ready": 1, "startTime": _time(now())}
        self.server.change(path, status={**plain, **status})

    def complete(self, path: str) -> None:
        """End a Job well: its pod leaves the result that a worker would have left."""
        order = self.order(path)
        world = self.world
        pool = STAGE_DEFINITIONS[StageKind(order.steps[0].kind)].pool
        world.jobs["it"] = Attempt(Start(order, pool, 1), world.now)
        world.complete("it")
        (result,) = world.jobs.pop("it").results
        self._end(path, "Complete", "Succeeded", 0, dump_result(result))

    def fail(self, path: str, code: int, message: str = "", **fields: Any) -> None:
        """End a Job with an exit code."""
        self._end(path, "Failed", "Failed", code, message, **fields)

    def collect(self) -> None:
        """Let all that is being deleted go, pods first."""
        for path, job in list(self.server.under(JOBS)):
            if "deletionTimestamp" in job["metadata"]:
                self._drop_pods(job)
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
        self._pod(path, {"phase": phase, "containerStatuses": [state]})
        conditions = [condition(kind, lastTransitionTime=_time(now()))]
        self.server.change(path, status={"conditions": conditions})

    def _pod(self, path: str, status: Json) -> None:
        job = self.job(path)
        name = f"{job['metadata']['name']}-0"
        self.server.objects.pop(f"{PODS}/{name}", None)
        labels = {"batch.kubernetes.io/controller-uid": job["metadata"]["uid"]}
        metadata = {"name": name, "namespace": "ns", "labels": labels}
        self.server.put(PODS, {"kind": "Pod", "metadata": metadata, "status": status})

    def _drop_pods(self, job: Json) -> None:
        for path, pod in list(self.server.under(PODS)):
            owner = pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"]
            if owner == job["metadata"]["uid"]:
                self.server.remove(path)

    def _check(self, kind: str, document: Json) -> None:
        """Break the test where a Job is created that must not be."""
        if kind != "ADDED" or document.get("kind") != "Job" or not self.guard:
            return
        path = f"{JOBS}/{document['metadata']['name']}"
        owner = document["metadata"]["labels"]["isheep.dev/run-uid"]
        order = self.order(path)
        self.started.append(order.steps[0].id)
        # Each run prepares for itself.
        keys = {step.key for step in order.steps if step.id != "prepare"}
        for other, job in self.server.under(JOBS):
            if other != path and not _over(job) and "isheep.dev/steps" in _annotations(job):
                at_work = {step.key for step in self.order(other).steps}
                assert at_work.isdisjoint(keys), f"{order.steps[0].id} is at work already"
        for _, found in self.server.under(RUNS):
            if found["metadata"]["uid"] == owner:
                status = SelfAlignmentRunStatus.read(found["status"])
                done = {r.key for r in status.stages if r.committed}
                assert done.isdisjoint(keys), f"{order.steps[0].id} is committed already"

    # --- going on -----------------------------------------------------------------------

    def over(self, name: str = "run") -> bool:
        return any(c.type in ("Complete", "Failed") for c in self.status(name).conditions)

    async def drive(self, *names: str, limit: int = 400) -> None:
        """Go on, with every Job ending well, until the runs are over and all is at rest."""
        for _ in range(limit):
            await self.operator.settle()
            self.collect()
            await self.operator.settle()
            for path in self.jobs():
                if not self.job(path)["spec"].get("suspend"):
                    self.complete(path)
            if all(self.over(name) for name in names or ("run",)) and not self.jobs():
                for _ in range(40):
                    await self.operator.settle(5)
                    self.collect()
                    if not self.jobs(active=False):
                        break
                await self.operator.settle(5)
                return
            if not self.operator.queue.waiting() and not self.jobs():
                await self.operator.one(3600)
            await asyncio.sleep(1)
        raise AssertionError(f"not over: {self.ready()}")


def play(story: Callable[[Site], Any], **config: Any) -> Site:
    """Carry out a story in virtual time; returns the site as it is left."""
    found: list[Site] = []

    async def told() -> None:
        found.append(Site(**config))
        await story(found[0])

    run(told())
    return found[0]


def _over(job: Json) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in ("Complete", "Failed") for c in conditions)


def _annotations(job: Json) -> Json:
    return job["metadata"].get("annotations") or {}


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


__all__ = ["JOBS", "PODS", "RUNS", "SHORT", "Operator", "Session", "Site", "at", "play"]
