"""LISTs of runs and Jobs: they fill the cache at the start, and find what a watch has lost.

Each watched namespace has its own LIST. A namespace that is gone, or that the operator may not
read, is forgotten after a while and does not disturb the others. An API server that has just
started also answers so, until it has loaded its roles and CRDs. The operator plans nothing before
the first LIST, and lists every few minutes. Each later LIST of a namespace is one of the metadata,
and the operator reads the objects of which the cache has an older version. Runs can be large: the
whole documents of 3,000 runs of the largest size have 4 GB.

An operator that takes the Lease from another one lists again, unless its last LIST began after the
other one could write (`fence`). Its watches may be late, so its cache may lack the other one's last
Jobs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from isheep.api.run import PLURAL
from isheep.kube.cache.cache import Cache
from isheep.kube.cache.records import JobRecord, RunRecord, job_record, our_run
from isheep.kube.cache.unreadable import Unreadable
from isheep.kube.client import (
    METADATA,
    Api,
    ApiError,
    ApiUnreachableError,
    jobs_path,
    runs_path,
)
from isheep.kube.names import MANAGED_BY, MANAGED_BY_LABEL
from isheep.kube.observability.metrics import Metrics
from isheep.kube.queue import WorkQueue

OUR_JOBS = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
JOBS = "jobs"
FRESH_SECONDS = 2.0
"""A LIST of the last seconds is not repeated."""
REFUSED_SECONDS = 30.0
"""For how long LISTs must be refused until the namespace is forgotten."""
NO_CRD = (
    "the API server has no SelfAlignmentRun resource: install the CRD (crds.enabled of the chart, "
    "or kubectl apply -f crds/)"
)
_LOG = logging.getLogger(__name__)
RecordT = TypeVar("RecordT", bound=RunRecord | JobRecord)
RecordOf = Callable[[Mapping[str, Any]], RecordT | None]
Lists = Callable[[str | None], Awaitable[None]]
MOST_READS = 50
"""A LIST of everything costs less than more reads than this."""


@dataclass(frozen=True, slots=True)
class _Listed(Generic[RecordT]):
    """Records up to a version; the records with the UIDs `kept` stay as they are known."""

    records: Sequence[RecordT]
    version: int
    kept: Collection[str]


class Prime(Protocol):
    """States keys and places of the runs of a namespace: all of them, or those with `uids`."""

    def __call__(self, namespace: str | None, uids: Collection[str] | None = None) -> None:
        """State them before the next plan of a run."""


class Lister:
    """Lists namespaces into the cache, and wakes the runs that have changed."""

    def __init__(
        self,
        *,
        api: Api,
        cache: Cache,
        queue: WorkQueue,
        metrics: Metrics,
        unreadable: Unreadable,
        prime: Prime,
        scopes: Collection[str | None],
        monotonic: Callable[[], float],
    ) -> None:
        self._api = api
        self._cache = cache
        self._queue = queue
        self._metrics = metrics
        self._unreadable = unreadable
        self._prime = prime
        self._scopes = scopes
        self._monotonic = monotonic
        # For each namespace that can be listed: when its last LIST began, and when it ended.
        self._listed: dict[str | None, tuple[float, float]] = {}
        self._locks: dict[str | None, asyncio.Lock] = {}
        self._problems: dict[str | None, str] = {}
        # Since when the LISTs of a namespace are refused.
        self._refused: dict[str | None, float] = {}

    async def refresh(self, namespace: str | None) -> bool:
        """List a namespace's runs and Jobs, unless that has just happened; None is all namespaces.

        Returns whether the cache is complete for the namespace.
        """
        async with self._lock(namespace):
            listed = self._listed.get(namespace)
            if listed is not None and self._monotonic() - listed[1] < FRESH_SECONDS:
                return True
            lists = self._list if listed is None else self._renew
            return await self._tried_to_list(namespace, lists)

    async def refresh_all(self) -> bool:
        """List each namespace; return whether one of them could be listed."""
        return any([await self.refresh(namespace) for namespace in self._scopes])

    async def find_deletions(self, namespace: str | None) -> bool:
        """List a namespace after kopf has listed it; return whether that succeeded.

        A LIST of kopf reports no deletion. A deletion after it is reported by kopf's watch, and one
        before it is found by this LIST. It takes no lock, so that no pass has to wait for it.
        """
        if namespace not in self._listed:
            return await self.refresh(namespace)
        return await self._tried_to_list(namespace, self._renew)

    async def renew(self, since: float) -> int:
        """List the namespaces again whose last LIST began before a time; return their number.

        Raises:
            ApiUnreachableError: A namespace could not be listed, so the cache may be outdated.
        """
        made = 0
        for namespace in self._scopes:
            async with self._lock(namespace):
                # The cache has no runs of a namespace that cannot be listed.
                listed = self._listed.get(namespace)
                if listed is None or listed[0] >= since:
                    continue
                if not await self._tried_to_list(namespace, self._renew):
                    if namespace in self._listed:
                        unanswered = "the API server does not answer a LIST"
                        raise ApiUnreachableError(self._problems.get(namespace, unanswered))
                    continue
                made += 1
        return made

    def age(self) -> float | None:
        """Return the seconds since the last LIST; None if no namespace could be listed."""
        ends = [ended for _, ended in self._listed.values()]
        return self._monotonic() - max(ends) if ends else None

    def problem(self) -> str:
        """Return why no namespace could be listed."""
        return "; ".join(self._problems.values()) or "runs and Jobs are not listed yet"

    def _lock(self, namespace: str | None) -> asyncio.Lock:
        return self._locks.setdefault(namespace, asyncio.Lock())

    async def _tried_to_list(self, namespace: str | None, lists: Lists) -> bool:
        place = f"namespace {namespace}" if namespace is not None else "all namespaces"
        try:
            await lists(namespace)
        except ApiUnreachableError as error:
            _LOG.warning("the API server does not answer a LIST: %s", error)
            return False
        except ApiError as error:
            if error.status in (403, 404) and self._is_refused_for_long(namespace):
                self._forget(namespace)
            problem = NO_CRD if error.status == 404 else str(error)
            if self._problems.get(namespace) != problem:
                _LOG.error("runs and Jobs of %s cannot be listed: %s", place, problem)
            self._problems[namespace] = problem
            return False
        self._problems.pop(namespace, None)
        self._refused.pop(namespace, None)
        return True

    def _is_refused_for_long(self, namespace: str | None) -> bool:
        now = self._monotonic()
        return now - self._refused.setdefault(namespace, now) >= REFUSED_SECONDS

    async def _list(self, namespace: str | None) -> None:
        """List a namespace that the cache does not have, and wake its runs."""
        began = self._monotonic()
        runs = await self._listing(PLURAL, namespace, our_run)
        jobs = await self._listing(JOBS, namespace, job_record)
        self._put(namespace, runs, jobs)
        self._prime(namespace)
        self._note_listed(namespace, began)

    async def _renew(self, namespace: str | None) -> None:
        """List the metadata of runs and Jobs, and read what is newer than in the cache."""
        began = self._monotonic()
        cache = self._cache
        runs = await self._newer(PLURAL, namespace, our_run, cache.runs.get)
        jobs = await self._newer(JOBS, namespace, job_record, cache.jobs.get)
        if changed := self._put(namespace, runs, jobs):
            # A plan of another run must know the keys at which these runs work.
            self._prime(namespace, changed)
        self._note_listed(namespace, began)

    def _note_listed(self, namespace: str | None, began: float) -> None:
        # A LIST that began later may have ended before this one.
        latest, _ = self._listed.get(namespace, (began, began))
        self._listed[namespace] = (max(began, latest), self._monotonic())
        self._metrics.listed.set_to_current_time()

    def _put(
        self, namespace: str | None, runs: _Listed[RunRecord], jobs: _Listed[JobRecord]
    ) -> set[str]:
        """Put LISTs into the cache, wake the runs that changed, and return their UIDs."""
        changed_runs = self._cache.runs.replace(runs.records, runs.version, namespace, runs.kept)
        changed_jobs = self._cache.replace_jobs(jobs.records, jobs.version, namespace, jobs.kept)
        changed = {run.uid for run in changed_runs} | {job.run_uid for job in changed_jobs}
        for uid in changed:
            self._queue.wake(uid)
        return changed

    async def _listing(
        self, resource: str, namespace: str | None, record_of: RecordOf[RecordT]
    ) -> _Listed[RecordT]:
        """Return the records of a LIST.

        The LIST is converted page by page, because the documents of a thousand runs need too much
        memory.
        """
        records: list[RecordT] = []
        versions: list[int] = []
        present: set[str] = set()
        path, labels = _place(resource, namespace)
        async for page in self._api.pages(path, labels=labels):
            found = (self._unreadable.read(resource, item, record_of) for item in page.items)
            records += [record for record in found if record is not None]
            present |= {str(item["metadata"]["uid"]) for item in page.items}
            versions.append(page.version)
        self._unreadable.keep(resource, namespace, present)
        return _Listed(records, min(versions), self._unreadable.uids(resource))

    async def _newer(
        self,
        resource: str,
        namespace: str | None,
        record_of: RecordOf[RecordT],
        known: Callable[[str], RecordT | None],
    ) -> _Listed[RecordT]:
        """Return the records that are newer than the known ones; the others are kept."""
        present: set[str] = set()
        versions: list[int] = []
        names: list[tuple[str, str]] = []
        path, labels = _place(resource, namespace)
        async for page in self._api.pages(path, labels=labels, accept=METADATA):
            for item in page.items:
                metadata = item["metadata"]
                present.add(metadata["uid"])
                record = known(metadata["uid"])
                if record is None or record.resource_version < int(metadata["resourceVersion"]):
                    names.append((metadata["namespace"], metadata["name"]))
            versions.append(page.version)
        self._unreadable.keep(resource, namespace, present)
        if len(names) > MOST_READS:
            return await self._listing(resource, namespace, record_of)
        documents = [await self._read(resource, place, name) for place, name in names]
        found = (self._unreadable.read(resource, one, record_of) for one in documents if one)
        records = [record for record in found if record is not None]
        return _Listed(records, min(versions), present)

    async def _read(self, resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object, None if it does not exist any more."""
        path = jobs_path(namespace, name) if resource == JOBS else runs_path(namespace, name)
        try:
            return await self._api.get(path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def _forget(self, namespace: str | None) -> None:
        """Forget a namespace that cannot be listed, because it or the resource does not exist."""
        self._listed.pop(namespace, None)
        for run in self._cache.runs.forget(namespace):
            self._queue.wake(run.uid)
        self._cache.jobs.forget(namespace)
        for resource in (PLURAL, JOBS):
            self._unreadable.keep(resource, namespace, ())


def _place(resource: str, namespace: str | None) -> tuple[str, str]:
    """Return the path and the labels of a LIST."""
    return (jobs_path(namespace), OUR_JOBS) if resource == JOBS else (runs_path(namespace), "")
