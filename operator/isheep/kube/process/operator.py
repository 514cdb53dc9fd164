"""The operator process: the cache and its sources, the queue, and the workers that perform passes.

The operator starts with a LIST and plans nothing before it. Then kopf's events and a LIST every
few minutes update the cache and wake runs.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import kopf

from isheep.api.run import PLURAL
from isheep.kube.cache.cache import Cache
from isheep.kube.cache.records import job_record, our_run
from isheep.kube.cache.unreadable import Unreadable
from isheep.kube.client import TIMEOUT_SECONDS, Api, ApiError, ApiUnreachableError, NoClusterError
from isheep.kube.config import ConfigError, OperatorConfig
from isheep.kube.lease import Lease
from isheep.kube.observability.metrics import Metrics, RunsCollector
from isheep.kube.observability.run_figures import GpuFigures, RunFigures
from isheep.kube.observability.state_metrics import StateOfRun
from isheep.kube.passes.pod_inspection import PodInspector
from isheep.kube.passes.polls import Polls, poll_session
from isheep.kube.passes.reconciler import Reconciler
from isheep.kube.process.http import HttpServer
from isheep.kube.process.listing import JOBS, Lister
from isheep.kube.process.watches import Watches
from isheep.kube.queue import WorkQueue
from isheep.planner.plan import plan

PASS_SECONDS = 120.0
"""A pass that takes longer hangs, and /healthz fails."""
DRAIN_SECONDS = TIMEOUT_SECONDS + 2.0
"""How long an operator that stops waits for its passes: a pass that hangs waits for one request.

It must be shorter than the grace period of the pod, after which the kubelet kills the process.
"""
ANY_RUN_SHARE = 4
"""One worker in four serves any run, and the others serve only runs whose Job or spec changed.

An API server does not answer faster when 16 passes over new runs ask at the same time, but the
runs that wait for their next stage then wait longer. With four such workers, a thousand new runs
start as soon, and the other runs wait half as long (docs/performance.md).
"""
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
NAMESPACE_VARIABLE = "POD_NAMESPACE"
NAME_VARIABLE = "POD_NAME"
DEFAULT_NAMESPACE = "default"
_LOG = logging.getLogger(__name__)


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
        self._working: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._failures: dict[str, int] = {}
        self._unreadable = Unreadable()
        self.watches = Watches()
        self._metrics.registry.register(RunsCollector(self))

    # --- start and stop ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and start to work; raises `ConfigError` if no cluster is configured."""
        config = self._config
        try:
            self._api = await Api.connect(self._metrics.count_request)
        except NoClusterError as error:
            raise ConfigError(f"no cluster is configured: {error}; set KUBECONFIG") from error
        self._session = poll_session()
        self._polls = Polls(self._session)
        self._lease = self._make_lease()
        self._reconciler = Reconciler(
            api=self._api,
            cache=self._cache,
            queue=self._queue,
            lease=self._lease,
            renew=self._renew,
            pod_inspector=PodInspector(self._api),
            polls=self._polls,
            config=config,
            metrics=self._metrics,
            planner=plan,
            now=_now,
            identity=self._identity,
        )
        self._lister = Lister(
            api=self._api,
            cache=self._cache,
            queue=self._queue,
            metrics=self._metrics,
            unreadable=self._unreadable,
            prime=self._reconciler.prime,
            scopes=config.scopes,
            monotonic=_monotonic,
        )
        self._http = HttpServer(config.http_port, self.trouble, self.unreadiness, self._metrics)
        await self._http.start()
        try:
            await self._lease.look()
        except (ApiError, ApiUnreachableError) as error:
            _LOG.warning("the Lease cannot be read: %s", error)
        self._spawn(self._work_from_first_list(), "lister")

    async def stop(self) -> None:
        """End the passes that have begun, stop all other work, and release the Lease.

        A request that is cancelled can still have its effect later. Another operator must not write
        before that, so the Lease expires if a pass was cancelled.
        """
        self._stopping = True
        if await self._drain():
            try:
                await self._lease.release()
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning("the Lease is not released: %s", error)
        else:
            _LOG.warning("the Lease is not released: a pass did not end in %.0f s", DRAIN_SECONDS)
        await self._http.stop()
        await self._polls.stop()
        await self._session.close()
        await self._api.close()

    async def login(self) -> kopf.AiohttpSession:
        """Return a session for kopf's watches."""
        return await self._api.login(self.watches.trace())

    # --- sources of the cache -----------------------------------------------------------

    def run_event(self, kind: str | None, document: Mapping[str, Any]) -> None:
        """Add a watch event about a run to the cache."""
        record = self._unreadable.read(PLURAL, document, our_run)
        if kind == "DELETED":
            uid, version = _identity_of(document)
            self._unreadable.drop(PLURAL, uid)
            if record is not None or self._cache.runs.get(uid) is not None:
                self._cache.runs.drop(uid, version)
                self._queue.wake(uid, urgent=True)
            return
        if record is None:
            return
        known = self._cache.runs.get(record.uid)
        if self._cache.runs.update(record):
            # Somebody waits for the effect of an edit, so it comes before new and working runs.
            self._queue.wake(record.uid, urgent=known is not None and known.asked != record.asked)

    def job_event(self, kind: str | None, document: Mapping[str, Any]) -> None:
        """Add a watch event about a Job to the cache."""
        record = self._unreadable.read(JOBS, document, job_record)
        if kind != "DELETED":
            if record is not None and self._cache.update_job(record):
                self._queue.wake(record.run_uid, urgent=True)
            return
        uid, version = _identity_of(document)
        self._unreadable.drop(JOBS, uid)
        if record is not None:
            self._cache.lose_job(record)
        else:
            record = self._cache.jobs.drop(uid, version)
        if record is not None:
            self._queue.wake(record.run_uid)

    async def refresh(self, namespace: str | None) -> bool:
        """List a namespace's runs and Jobs, unless that has just happened; None is all namespaces.

        Returns whether the cache is complete for the namespace.
        """
        return await self._lister.refresh(namespace)

    async def find_deletions(self, namespace: str | None) -> bool:
        """Find what was deleted before a LIST of kopf; return whether that succeeded."""
        return await self._lister.find_deletions(namespace)

    async def _renew(self, since: float) -> int:
        return await self._lister.renew(since)

    # --- work ---------------------------------------------------------------------------

    async def _work_from_first_list(self) -> None:
        """List until a LIST succeeds, then start the workers, and list periodically."""
        while not await self._lister.refresh_all():
            await asyncio.sleep(BACKOFF_SECONDS[1])
        for number in range(self._config.workers):
            only_urgent = number >= max(1, self._config.workers // ANY_RUN_SHARE)
            self._spawn(self._work(only_urgent=only_urgent), f"worker-{number}")
        while True:
            await asyncio.sleep(self._config.timings.list_seconds)
            await self._lister.refresh_all()

    async def _work(self, *, only_urgent: bool) -> None:
        while True:
            uid = await self._queue.take(only_urgent=only_urgent)
            self._passes[uid] = _monotonic()
            self._working[uid] = _current_task()
            try:
                with self._metrics.passes.time():
                    await self._reconciler.reconcile(uid)
                self._failures.pop(uid, None)
            except Exception as error:  # noqa: BLE001 (a worker must survive any error of a pass)
                self._note_failure(uid, error)
            finally:
                del self._passes[uid], self._working[uid]
                self._queue.done(uid)
            if self._stopping:
                return

    def _note_failure(self, uid: str, error: Exception) -> None:
        times = self._failures.get(uid, 0)
        self._failures[uid] = times + 1
        known = isinstance(error, ApiError | ApiUnreachableError)
        record = self._cache.runs.get(uid)
        name = f"{record.namespace}/{record.name}" if record is not None else uid
        _LOG.warning("the pass over %s failed and is repeated: %s", name, error, exc_info=not known)
        self._metrics.pass_failures.labels(type(error).__name__).inc()
        self._queue.wake(uid, BACKOFF_SECONDS[min(times, len(BACKOFF_SECONDS) - 1)])

    async def _drain(self) -> bool:
        """Stop all tasks, passes last; return whether all passes have ended by themselves."""
        passes = set(self._working.values())
        for task in self._tasks:
            if task not in passes:
                task.cancel()
        late: set[asyncio.Task[None]] = set()
        if passes:
            _, late = await asyncio.wait(passes, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return not late

    # --- health and metrics -------------------------------------------------------------

    def trouble(self) -> str | None:
        """Return why this process must be restarted, or None."""
        if self._stopping:
            return None
        now = _monotonic()
        stuck = [uid for uid, since in self._passes.items() if now - since > PASS_SECONDS]
        if stuck:
            return f"passes that do not end: {', '.join(stuck)}"
        ended = [task.get_name() for task in self._tasks if task.done()]
        return f"tasks that ended: {', '.join(ended)}" if ended else None

    def unreadiness(self) -> str | None:
        """Return why no run can be served, or None if the runs of some namespace are served.

        Metrics show the namespaces that are not served.
        """
        age = self._lister.age()
        if age is None:
            return self._lister.problem()
        if self.watches.all_lost():
            return "no watch is open"
        limit = 3 * self._config.timings.list_seconds
        return f"the last LIST is {age:.0f} s old" if age > limit else None

    def phases(self) -> Iterable[str]:
        """Return the phase of every run."""
        return (record.phase for record in self._cache.runs)

    def states(self) -> Iterable[StateOfRun]:
        """Return the state of every run."""
        return (StateOfRun(r.namespace, r.name, r.phase, r.state) for r in self._cache.runs)

    def holds_lease(self) -> bool:
        """Return whether this operator holds the Lease now."""
        return self._lease.is_held

    def figures(self) -> Iterable[tuple[datetime, str, str, RunFigures]]:
        """Return creation, namespace, name and figures of each run that has a verdict."""
        for record in self._cache.runs:
            if record.figures is not None:
                yield record.created, record.namespace, record.name, record.figures

    def gpu_figures(self) -> Iterable[tuple[str, GpuFigures]]:
        """Return the namespace and the GPU time of each run that has used GPUs."""
        for record in self._cache.runs:
            if record.gpu_figures is not None:
                yield record.namespace, record.gpu_figures

    def unreadable(self) -> Mapping[tuple[str, str], int]:
        """Return the number of objects that cannot be read, by resource and namespace."""
        return Counter(self._unreadable.counts())

    def queued(self) -> int:
        """Return the number of runs that are due for a pass."""
        return self._queue.waiting()

    def watch_states(self) -> Iterable[tuple[str, str | None, bool]]:
        """Return resource, namespace and whether it is open, for each watch."""
        return self.watches.states()

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


def _identity_of(document: Mapping[str, Any]) -> tuple[str, int]:
    """Return the UID and the version of an object, which the API server has written."""
    metadata = document["metadata"]
    return str(metadata["uid"]), int(metadata["resourceVersion"])


def _current_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a pass runs in a task")
    return task


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


def _now() -> datetime:
    """Return the time in whole seconds, like all times in Kubernetes objects."""
    return datetime.now(UTC).replace(microsecond=0)
