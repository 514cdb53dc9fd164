"""An API server in memory with the requests that the operator uses, and with faults on demand.

The fake server has resource versions that grow with each change, UIDs, preconditions, foreground
deletion, merge patches of the status, and label and field selectors. It has no schema, no
admission and no controllers, so a test raises a rejection in `fault`. The tests in
`tests/control_plane` require the same behaviour of the real API server.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from isheep.kube.client import ApiError, ApiUnreachableError, Check, Listing

from .passes.test_patch import merge
from .virtual_time import now

Json = dict[str, Any]
EventHandler = Callable[[str, Json], None]
FaultFunction = Callable[[str, str], None]
"""A function of a method and a path that raises the fault of this request, if any."""


class Fault(Exception):
    """A fault of a request: it fails before or after it takes effect."""

    def __init__(self, *, after: bool) -> None:
        self.after = after


class FakeApiServer:
    """Objects by path, and the requests of the operator.

    A request takes one cycle of the event loop, or twice `latency` seconds: before and after its
    effect. `pause` is the time in seconds for which the operator stops before it sends a request.
    """

    def __init__(self, namespace: str = "ns") -> None:
        self.namespace = namespace
        self.objects: dict[str, Json] = {}
        self.version = 100
        self.requests: list[tuple[str, str]] = []
        self.watchers: list[EventHandler] = []
        self.latency: Callable[[], float] = lambda: 0.0
        self.pause: Callable[[str, str], float] = lambda method, path: 0.0
        self.fault: FaultFunction = lambda method, path: None
        self._created = 0

    # --- requests of `Api` --------------------------------------------------------------

    async def get(self, path: str) -> Json:
        return await self._serve("GET", path, lambda: self._found(path))

    async def list(self, path: str, *, labels: str = "", fields: str = "") -> Listing:
        def answer() -> Listing:
            found = [o for p, o in self.objects.items() if p.rpartition("/")[0] == path]
            wanted = dict(one.split("=") for one in labels.split(",") if one)
            items = [
                copied(o)
                for o in found
                if wanted.items() <= (o["metadata"].get("labels") or {}).items()
                and all(_field(o, f) for f in fields.split(",") if f)
            ]
            return Listing(items, self.version)

        return await self._serve("GET", path, answer)

    async def pages(
        self, path: str, *, labels: str = "", fields: str = "", accept: str = ""
    ) -> AsyncIterator[Listing]:
        yield await self.list(path, labels=labels, fields=fields)

    async def create_admitted(self, path: str, document: Json, *, check: Check) -> Json:
        return await self.create(path, document, check=check)

    async def create(self, path: str, document: Json, *, check: Check | None = None) -> Json:
        return await self._serve("POST", path, lambda: self.put(path, document), check)

    async def replace(self, path: str, document: Json) -> Json:
        def answer() -> Json:
            found = self._found(path)
            self._check_version(found, document["metadata"])
            return self._store(path, {**document, "metadata": found["metadata"]})

        return await self._serve("PUT", path, answer)

    async def patch_status(self, path: str, patch: Json, *, check: Check | None = None) -> Json:
        def answer() -> Json:
            found = self._found(path)
            self._check_version(found, patch.get("metadata", {}))
            status = merge(found.get("status") or {}, patch["status"])
            return self._store(path, {**found, "status": status})

        return await self._serve("PATCH", f"{path}/status", answer, check)

    async def delete(
        self, path: str, uid: str, version: int | None = None, *, check: Check | None = None
    ) -> Json:
        def answer() -> Json:
            found = self._found(path)
            if found["metadata"]["uid"] != uid:
                raise ApiError(409, "Conflict", "Precondition failed: UID in precondition", ())
            if version is not None:
                self._check_version(found, {"resourceVersion": str(version)})
            if "deletionTimestamp" in found["metadata"]:
                return found
            metadata = {
                **found["metadata"],
                "deletionTimestamp": _time(),
                "finalizers": ["foregroundDeletion"],
            }
            return self._store(path, {**found, "metadata": metadata})

        return await self._serve("DELETE", path, answer, check)

    # --- changes by the test ------------------------------------------------------------

    def put(self, path: str, document: Json) -> Json:
        """Create an object and return it."""
        metadata = document["metadata"]
        self._created += 1
        name = metadata.get("name") or f"{metadata['generateName']}{self._created:05x}"
        place = f"{path}/{name}"
        if place in self.objects:
            raise ApiError(409, "AlreadyExists", f'{place} "{name}" already exists', ())
        defaults = {
            "name": name,
            "uid": f"uid-{self._created}",
            "generation": 1,
            "creationTimestamp": _time(),
        }
        return self._store(place, {**document, "metadata": {**defaults, **metadata}})

    def change(self, path: str, **members: Any) -> Json:
        """Change members of an object; a change of `spec` increments the generation."""
        found = self._found(path)
        metadata = {**found["metadata"], **members.pop("metadata", {})}
        if members.get("spec", found.get("spec")) != found.get("spec"):
            metadata["generation"] += 1
        return self._store(path, {**found, **members, "metadata": metadata})

    def remove(self, path: str) -> Json:
        """Remove an object at once, as the server does after the removal of its last finalizer."""
        found = self.objects.pop(path)
        self.version += 1
        metadata = {**found["metadata"], "resourceVersion": str(self.version)}
        self._send_event("DELETED", {**found, "metadata": metadata})
        return found

    def collection(self, path: str) -> Iterator[tuple[str, Json]]:
        """Yield the objects of a collection with their paths."""
        yield from [(p, o) for p, o in self.objects.items() if p.rpartition("/")[0] == path]

    def count(self, method: str, word: str = "") -> int:
        """Return the number of requests with this method whose path contains the word."""
        return sum(1 for m, p in self.requests if m == method and word in p)

    # --- internals ----------------------------------------------------------------------

    async def _serve(
        self, method: str, path: str, answer: Callable[[], Any], check: Check | None = None
    ) -> Any:
        if pause := self.pause(method, path):
            await asyncio.sleep(pause)
        if check is not None:
            check()
        self.requests.append((method, path))
        fails_after = False
        await asyncio.sleep(self.latency())
        try:
            self.fault(method, path)
        except Fault as fault:
            if not fault.after:
                raise ApiUnreachableError(f"{method} {path}: failed before its effect") from fault
            fails_after = True
        found = copied(answer())
        await asyncio.sleep(self.latency())
        if fails_after:
            raise ApiUnreachableError(f"{method} {path}: failed after its effect")
        return found

    def _found(self, path: str) -> Json:
        if path not in self.objects:
            raise ApiError(404, "NotFound", f"{path} not found", ())
        return self.objects[path]

    def _check_version(self, found: Json, metadata: Json) -> None:
        wanted = metadata.get("resourceVersion")
        if wanted and wanted != found["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified", ())

    def _store(self, path: str, document: Json) -> Json:
        existing = self.objects.get(path)
        if existing == document:
            return existing
        self.version += 1
        stored = copied(document)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.objects[path] = stored
        self._send_event("MODIFIED" if existing else "ADDED", stored)
        return stored

    def _send_event(self, kind: str, document: Json) -> None:
        for handler in self.watchers:
            handler(kind, copied(document))


def copied(value: Any) -> Any:
    """Return a copy of a JSON value; `copy.deepcopy` takes four times as long."""
    if isinstance(value, dict):
        return {name: copied(member) for name, member in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def _time() -> str:
    return now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _field(document: Json, selector: str) -> bool:
    path, _, wanted = selector.partition("=")
    value: Any = document
    for part in path.split("."):
        value = (value or {}).get(part)
    return bool(value == wanted)


def fail_every(number: int, *, after: bool) -> FaultFunction:
    """Return a fault function that fails each n-th request."""
    count = 0

    def fault(method: str, path: str) -> None:
        nonlocal count
        count += 1
        if count % number == 0:
            raise Fault(after=after)

    return fault


def fail_each_twice() -> FaultFunction:
    """Return a fault function that fails each distinct request before, then after, its effect."""
    seen: dict[tuple[str, str], int] = {}

    def fault(method: str, path: str) -> None:
        seen[method, path] = seen.get((method, path), 0) + 1
        if seen[method, path] <= 2:
            raise Fault(after=seen[method, path] == 2)

    return fault


def fail_at_random(seed: int, share: float = 0.3) -> FaultFunction:
    """Return a fault function that fails a share of the requests."""
    chance = random.Random(seed)

    def fault(method: str, path: str) -> None:
        if chance.random() < share:
            raise Fault(after=chance.random() < 0.5)

    return fault
