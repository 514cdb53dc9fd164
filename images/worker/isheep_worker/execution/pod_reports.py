"""What the pods of one Job report to each other through the store, so that no part is left over.

    pods/<attempt>-<index>.json

in the `work_folder` of the claimed key.

Each pod writes the stage that it executes and the parts that it makes, again and again. A pod that
has finished its own parts reads the reports. Parts that no live pod reports belong to a pod that
was killed, or that waits for a free node. A report is live if it changed recently. The reader
measures that time with its own clock, so the clocks of the pods may differ.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreError
from isheep.store.work import work_folder

BEAT_SECONDS = 15.0
"""The time between two writes of a report."""
STALE_SECONDS = 60.0
"""A report that has not changed for this time is of a pod that does not run."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PodReport:
    """What a pod does: the key of its stage, and the parts that it makes.

    `waiting` is true if the pod has finished its parts and waits for other pods.
    """

    pod: int
    key: str
    parts: frozenset[int]
    waiting: bool


class PodReports:
    """The reports of an attempt's pods, and a thread that repeats the report of this pod."""

    def __init__(
        self,
        store: ObjectStore,
        folder: str,
        pod: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        beat_seconds: float = BEAT_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        """Start without a report.

        Args:
            store: The store of the run.
            folder: The prefix of the reports' keys, which is the same for all pods of an attempt.
            pod: The index of this pod.
            clock: A clock in seconds that only goes forward.
            beat_seconds: The time between two writes.
            stale_seconds: The age from which an unchanged report is ignored.
        """
        self._store = store
        self._folder = folder
        self._pod = pod
        self._clock = clock
        self._beat_seconds = beat_seconds
        self._stale_seconds = stale_seconds
        self._report: tuple[str, tuple[int, ...], bool] | None = None
        self._beats = 0
        self._seen: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def state(self, key: str, parts: Collection[int] = (), *, waiting: bool = False) -> None:
        """Report the stage and the parts of this pod from now on."""
        self._report = (key, tuple(sorted(parts)), waiting)
        self._write()
        if self._thread is None:
            self._thread = threading.Thread(target=self._repeat, name="pod-report", daemon=True)
            self._thread.start()

    def others(self) -> list[PodReport]:
        """Return the live reports of the other pods.

        Raises:
            StoreError: The store failed.
        """
        now = self._clock()
        found = []
        for name in [info.key for info in self._store.list(self._folder)]:
            with suppress(NoSuchKeyError):
                body = self._store.get(name)
                before, since = self._seen.get(name, (b"", now))
                since = since if body == before else now
                self._seen[name] = (body, since)
                report = _parse(body)
                is_live = now - since < self._stale_seconds
                if report is not None and report.pod != self._pod and is_live:
                    found.append(report)
        return found

    def close(self) -> None:
        """End the thread, and delete the report of this pod."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
            with suppress(StoreError):
                self._store.delete(self._name)

    @property
    def _name(self) -> str:
        return f"{self._folder}{self._pod}.json"

    def _repeat(self) -> None:
        while not self._closed.wait(self._beat_seconds):
            self._write()

    def _write(self) -> None:
        with self._lock:
            if self._report is None or self._closed.is_set():
                return
            key, parts, waiting = self._report
            self._beats += 1
            document = {
                "beat": self._beats,
                "pod": self._pod,
                "key": key,
                "parts": parts,
                "waiting": waiting,
            }
            try:
                self._store.put(self._name, json.dumps(document).encode())
            except StoreError as error:
                # Nothing depends on one report. A stage finds out itself that the store is gone.
                _LOG.warning("the report of this pod is not stored: %s", error)


def reports_folder(namespace: str, claim: str, attempt: int) -> str:
    """Return the prefix of the reports of an attempt's pods."""
    return f"{work_folder(namespace, claim)}pods/{attempt}-"


def _parse(body: bytes) -> PodReport | None:
    try:
        document = json.loads(body)
        return PodReport(
            pod=int(document["pod"]),
            key=str(document["key"]),
            parts=frozenset(int(part) for part in document["parts"]),
            waiting=bool(document["waiting"]),
        )
    except (ValueError, TypeError, KeyError):
        return None
