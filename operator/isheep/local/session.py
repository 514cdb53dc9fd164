"""`isheep run` without its output: the lock, documents, workers and driver of one run."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from isheep.local.conclusion import Conclusion, conclusion_of
from isheep.local.devices import visible_devices
from isheep.local.driver import Clock, Driver, Planner
from isheep.local.events import Listener
from isheep.local.lock import RunLock
from isheep.local.paths import LocalPaths
from isheep.local.peers import live_peers
from isheep.local.pool import Pool
from isheep.local.spawn import WorkerSpawn
from isheep.local.stored_run import StoredRun
from isheep.local.worker import Inbox
from isheep.planner.restart import is_retried
from isheep.planner.types import Environment, RunView
from isheep.store.interface import ObjectStore

WORKER_COMMAND = (sys.executable, "-m", "isheep_worker", "serve")


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Session:
    """The dependencies of one `isheep run`; tests can replace each of them."""

    store: ObjectStore
    planner: Planner
    environment: Environment
    process_environment: Mapping[str, str]
    listener: Listener
    inbox: Inbox
    command: Sequence[str]
    clock: Clock = utc_now
    until: str | None = None
    set_values: Mapping[str, Any] = field(default_factory=dict)

    def run(
        self, namespace: str, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str]
    ) -> Conclusion:
        """Submit the run, execute it to its end, and return how it ended.

        Raises:
            RunBusyError: Another process on this machine executes the run.
            StoreError: The store failed.
            TooFewDevicesError: The machine has fewer GPUs than one worker needs.
        """
        stored = StoredRun(self.store, namespace, name)
        paths = LocalPaths.of(stored.ref.uid, self.process_environment)
        with _locked(paths, self.listener) as lock:
            paths.delete_old_logs()
            run = stored.submit(spec, annotations, self.clock(), self.set_values)
            finished = _finished(run)
            if finished is not None:
                return finished
            driver = Driver(
                run,
                stored=stored,
                planner=self.planner,
                environment=self.environment,
                peers=lambda: live_peers(self.store, namespace, name, self.process_environment),
                pool=self._pool(paths, lock),
                inbox=self.inbox,
                listener=self.listener,
                clock=self.clock,
                until=self.until,
            )
            return driver.run()

    def _pool(self, paths: LocalPaths, lock: RunLock) -> Pool:
        numbers = itertools.count(1)
        started = f"{self.clock():%Y%m%dT%H%M%S}"

        spawn = WorkerSpawn(
            self.command,
            self.process_environment,
            self.inbox,
            lambda: paths.logs / f"{started}-{next(numbers):03d}.log",
            inherit=(lock.descriptor,),
        )
        return Pool(visible_devices(self.process_environment), spawn)


@contextmanager
def _locked(paths: LocalPaths, listener: Listener) -> Iterator[RunLock]:
    lock = RunLock.take(paths.lock, note=listener.note)
    try:
        yield lock
    finally:
        lock.release()


def _finished(run: RunView) -> Conclusion | None:
    """Return the conclusion of a run whose current generation has succeeded, else None.

    A run whose measurements are retried has not succeeded yet.
    """
    conclusion = None if is_retried(run) else conclusion_of(run.status, run.generation)
    return conclusion if conclusion is not None and conclusion.end == "Succeeded" else None
