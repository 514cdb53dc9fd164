"""The operator process: the cache and its sources, the queue, and the workers that perform passes.

The operator starts with a LIST and plans nothing before it. Then kopf's events and a LIST every
few minutes update the cache and wake runs.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import kopf

from isheep.kube.cache import Cache
from isheep.kube.client import (
    Api,
    ApiError,
    ApiUnreachableError,
    NoClusterError,
    jobs_path,
    runs_path,
)
from isheep.kube.config import ConfigError, OperatorConfig
from isheep.kube.http import HttpServer
from isheep.kube.lease import Lease
from isheep.kube.metrics import Metrics, RunsCollector
from isheep.kube.names import MANAGED_BY, MANAGED_BY_LABEL
from isheep.kube.pod_inspection import PodInspector
from isheep.kube.queue import WorkQueue
from isheep.kube.reconciler import Reconciler
from isheep.kube.records import job_record, run_record
from isheep.kube.watches import WatchLog
from isheep.planner.plan import plan

OUR_JOBS = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
PASS_SECONDS = 120.0
"""A pass that takes longer hangs, and /healthz fails."""
ANY_RUN_SHARE = 4
"""One worker in four serves any run, and the others serve only runs whose Job changed.

An API server does not answer faster when 16 passes over new runs ask at the same time, but the
runs that wait for their next stage then wait longer. With four such workers, a thousand new runs
start as soon, and the other runs wait half as long (docs/performance.md).
"""
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
NAMESPACE_VARIABLE = "POD_NAMESPACE"
NAME_VARIABLE = "POD_NAME"
DEFAULT_NAMESPACE = "default"
_LOG = logging.getLogger(__name__)
RecordT = TypeVar("RecordT")


class Operator:
    """All parts of one operator process."""

    def __init__(self, config: OperatorConfig, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._metrics = Metrics()
        self._cache = Cache()
        self._queue = WorkQueue(_monotonic)
        self._tasks: list[asyncio.Task[None]] = []
        self._passes: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._listed: float | None = None
        self._watches = WatchLog(_monotonic)
        self._metrics.registry.register(RunsCollector(self))

    # --- start and stop ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and start to work; raises `ConfigError` if no cluster is configured."""
        config = self._config
        try:
            self._api = await Api.connect(self._metrics.count_request)
        except NoClusterError as error:
            raise ConfigError(f"no cluster is configured: {error}; set KUBECONFIG") from error
        self._session = aiohttp.ClientSession()
        self._lease = self._make_lease()
        self._reconciler = Reconciler(
            api=self._api,
            cache=self._cache,
            queue=self._queue,
            lease=self._lease,
            pod_inspector=PodInspector(self._api, self._session),
            config=config,
            metrics=self._metrics,
            planner=plan,
            now=_now,
            identity=self._identity,
        )
        self._http = HttpServer(config.http_port, self.trouble, self.unreadiness, self._metrics)
        await self._http.start()
        self._spawn(self._work_from_first_list(), "lister")

    async def stop(self) -> None:
        """Stop all work and release the Lease."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._lease.release()
        except (ApiError, ApiUnreachableError) as error:
            _LOG.warning("the Lease is not released: %s", error)
        await self._http.stop()
        await self._session.close()
        await self._api.close()

    async def login(self) -> kopf.ConnectionInfo:
        """Return the credentials for kopf's watches."""
        return await self._api.login()

    # --- sources of the cache -----------------------------------------------------------

    def run_event(self, kind: str | None, document: Mapping[str, Any]) -> None:
        """Add a watch event about a run to the cache."""
        self._watches.note("selfalignmentruns", kind)
        record = run_record(document)
        if kind == "DELETED":
            self._cache.runs.drop(record.uid, record.resource_version)
            self._queue.wake(record.uid)
        elif self._cache.runs.update(record):
            self._queue.wake(record.uid)

    def job_event(self, kind: str | None, document: Mapping[str, Any]) -> None:
        """Add a watch event about a Job to the cache."""
        self._watches.note("jobs", kind)
        record = job_record(document)
        if kind == "DELETED":
            self._cache.jobs.drop(record.uid, record.resource_version)
            self._queue.wake(record.run_uid)
        elif self._cache.update_job(record):
            self._queue.wake(record.run_uid, urgent=True)

    async def _list(self) -> None:
        """List runs and Jobs, update the cache, and wake the runs that changed."""
        runs, version = await self._listing(runs_path, run_record)
        for run in self._cache.runs.replace(runs, version):
            self._queue.wake(run.uid)
        jobs, version = await self._listing(jobs_path, job_record, OUR_JOBS)
        for job in self._cache.replace_jobs(jobs, version):
            self._queue.wake(job.run_uid)
        self._listed = _monotonic()
        self._metrics.listed.set_to_current_time()

    async def _listing(
        self,
        path_of: Callable[[str | None], str],
        record_of: Callable[[Mapping[str, Any]], RecordT],
        labels: str = "",
    ) -> tuple[list[RecordT], int]:
        """Return the records of all objects, and the version up to which they are complete.

        The LIST is converted page by page, because the documents of a thousand runs need too much
        memory.
        """
        records: list[RecordT] = []
        versions: list[int] = []
        for scope in self._config.watch_namespaces or (None,):
            async for page in self._api.pages(path_of(scope), labels=labels):
                records += map(record_of, page.items)
                versions.append(page.version)
        return records, min(versions)

    # --- work ---------------------------------------------------------------------------

    async def _work_from_first_list(self) -> None:
        """List until a LIST succeeds, then start the workers, and list periodically."""
        while not await self._tried_to_list():
            await asyncio.sleep(BACKOFF_SECONDS[1])
        self._reconciler.prime()
        for number in range(self._config.workers):
            only_urgent = number >= max(1, self._config.workers // ANY_RUN_SHARE)
            self._spawn(self._work(only_urgent=only_urgent), f"worker-{number}")
        while True:
            await asyncio.sleep(self._config.timings.list_seconds)
            await self._tried_to_list()

    async def _tried_to_list(self) -> bool:
        try:
            await self._list()
        except ApiUnreachableError as error:
            _LOG.warning("the API server does not answer a LIST: %s", error)
            return False
        except ApiError as error:
            if error.status == 404 and self._listed is None:
                _LOG.error(
                    "the API server has no SelfAlignmentRun resource: install the CRD "
                    "(crds.enabled of the chart, or kubectl apply -f crds/)"
                )
            else:
                _LOG.error("runs and Jobs cannot be listed: %s", error)
            return False
        return True

    async def _work(self, *, only_urgent: bool) -> None:
        while True:
            uid = await self._queue.take(only_urgent=only_urgent)
            self._passes[uid] = _monotonic()
            try:
                with self._metrics.passes.time():
                    await self._reconciler.reconcile(uid)
                self._failures.pop(uid, None)
            except Exception as error:  # noqa: BLE001 (a worker must survive any error of a pass)
                self._note_failure(uid, error)
            finally:
                del self._passes[uid]
                self._queue.done(uid)

    def _note_failure(self, uid: str, error: Exception) -> None:
        times = self._failures.get(uid, 0)
        self._failures[uid] = times + 1
        known = isinstance(error, ApiError | ApiUnreachableError)
        record = self._cache.runs.get(uid)
        name = f"{record.namespace}/{record.name}" if record is not None else uid
        _LOG.warning("the pass over %s failed and is repeated: %s", name, error, exc_info=not known)
        self._metrics.pass_failures.labels(type(error).__name__).inc()
        self._queue.wake(uid, BACKOFF_SECONDS[min(times, len(BACKOFF_SECONDS) - 1)])

    # --- health and metrics -------------------------------------------------------------

    def trouble(self) -> str | None:
        """Return why this process must be restarted, or None."""
        now = _monotonic()
        stuck = [uid for uid, since in self._passes.items() if now - since > PASS_SECONDS]
        if stuck:
            return f"passes that do not end: {', '.join(stuck)}"
        ended = [task.get_name() for task in self._tasks if task.done()]
        return f"tasks that ended: {', '.join(ended)}" if ended else None

    def unreadiness(self) -> str | None:
        """Return why the cache is not complete or not current, or None."""
        if self._listed is None:
            return "runs and Jobs are not listed yet"
        age = _monotonic() - self._listed
        limit = 3 * self._config.timings.list_seconds
        return f"the last LIST is {age:.0f} s old" if age > limit else None

    def phases(self) -> Iterable[str]:
        """Return the phase of every run."""
        return (record.phase for record in self._cache.runs)

    def queued(self) -> int:
        """Return the number of runs that are due for a pass."""
        return self._queue.waiting()

    # --- parts --------------------------------------------------------------------------

    @property
    def _identity(self) -> str:
        return self._environment.get(NAME_VARIABLE) or f"{os.uname().nodename}-{os.getpid()}"

    def _make_lease(self) -> Lease:
        wanted = self._config.lease
        namespace = wanted.namespace or self._environment.get(NAMESPACE_VARIABLE)
        if namespace is None:
            raise ConfigError(
                f"lease.namespace is not set, and neither is {NAMESPACE_VARIABLE}: set one of them"
            )
        return Lease(
            self._api,
            namespace=namespace,
            name=wanted.name,
            identity=self._identity,
            seconds=wanted.duration_seconds,
            monotonic=_monotonic,
            now=_now,
        )

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_log_end)
        self._tasks.append(task)


def _log_end(task: asyncio.Task[None]) -> None:
    """Log why a task that must not end has ended; /healthz then fails."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("%s has ended", task.get_name(), exc_info=error)


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


def _now() -> datetime:
    """Return the time in whole seconds, like all times in Kubernetes objects."""
    return datetime.now(UTC).replace(microsecond=0)
