"""Every version of every run, Job and Event that the API server has sent, by namespace.

A test that inspects only the final state misses a state that was wrong for a short time.
`invariants` therefore checks these histories. All kinds share one sequence of resource
versions, so the versions of a run and of a Job can be sorted together.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import aiohttp

from .api import ApiServer
from .background import Background
from .waiting import until
from .watching import watch

RUNS, JOBS, PODS, EVENTS = "selfalignmentruns", "jobs", "pods", "events"
PATHS = {
    RUNS: "/apis/isheep.dev/v1alpha1/selfalignmentruns",
    JOBS: "/apis/batch/v1/jobs",
    EVENTS: "/api/v1/events",
}


@dataclass(frozen=True)
class Version:
    """One version of an object, and the monotonic time at which this process received it."""

    kind: str
    document: dict[str, Any]
    at: float

    @property
    def uid(self) -> str:
        return str(self.document["metadata"]["uid"])

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def number(self) -> int:
        return int(self.document["metadata"]["resourceVersion"])

    @property
    def deleted(self) -> bool:
        return self.kind == "DELETED"


class Observer:
    """Watches the runs, Jobs and Events of all namespaces."""

    def __init__(self, server: ApiServer, background: Background) -> None:
        self._server = server
        self._background = background
        self._lock = threading.Lock()
        self._histories: defaultdict[tuple[str, str], list[Version]] = defaultdict(list)
        self._latest: defaultdict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
        self._closed: set[str] = set()

    def start(self) -> None:
        self._background.run(self._open())

    def stop(self) -> None:
        self._background.run(self._session.close())

    def history(self, resource: str, namespace: str, name: str | None = None) -> list[Version]:
        """Return the versions of all objects of a namespace, or of one object, in their order."""
        with self._lock:
            found = list(self._histories[resource, namespace])
        return [v for v in found if name is None or v.name == name]

    def latest(self, resource: str, namespace: str) -> dict[str, dict[str, Any]]:
        """Return the objects that exist now, by name."""
        with self._lock:
            return dict(self._latest[resource, namespace])

    def catch_up(self, resource: str, document: dict[str, Any]) -> None:
        """Wait until the observer has received the version that a test has just written."""
        metadata = document["metadata"]
        wanted = int(metadata["resourceVersion"])

        def received() -> bool:
            history = self.history(resource, metadata["namespace"], metadata["name"])
            return any(version.number >= wanted for version in history)

        until(received, otherwise=f"the watch has not sent {metadata['name']}")

    def close(self, namespace: str) -> None:
        """Remove the histories of a namespace, and record no more of them."""
        with self._lock:
            self._closed.add(namespace)
            for key in [key for key in self._histories if key[1] == namespace]:
                del self._histories[key]
                self._latest.pop(key, None)

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession(
            self._server.url,
            connector=aiohttp.TCPConnector(ssl=self._server.tls()),
            headers={"Authorization": f"Bearer {self._server.token}"},
            timeout=aiohttp.ClientTimeout(total=None),
        )
        for resource, path in PATHS.items():
            self._background.keep(watch(self._session, path, self._reporter(resource)))
        await asyncio.sleep(0)

    def _reporter(self, resource: str) -> Any:
        def report(kind: str, document: dict[str, Any]) -> None:
            namespace = document["metadata"]["namespace"]
            if namespace in self._closed:
                return
            # No test reads managedFields, the largest part of an object.
            document["metadata"].pop("managedFields", None)
            version = Version(kind, document, time.monotonic())
            with self._lock:
                self._histories[resource, namespace].append(version)
                if version.deleted:
                    self._latest[resource, namespace].pop(version.name, None)
                else:
                    self._latest[resource, namespace][version.name] = document

        return report
