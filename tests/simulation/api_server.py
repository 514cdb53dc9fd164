"""An API server in memory that answers HTTP requests: status codes, bodies and watch events.

The operator's real client sends its requests to this server, so the client's pages, preconditions
and error classes are part of each simulation. Documents are never changed after they are stored, so
one document can serve the store, the history and the watchers. `tests/control_plane` sends the same
requests to this server and to a real one, and compares the answers.

The server has no schema and no admission; `admit` rejects requests on behalf of both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..unit.isheep.kube.passes.test_patch import merge
from .clock import monotonic, timestamp

Json = dict[str, Any]

RUNS, JOBS, PODS, EVENTS = "selfalignmentruns", "jobs", "pods", "events"
WORKLOADS = "workloads"
APIS = {
    RUNS: ("/apis/isheep.dev/v1alpha1", "SelfAlignmentRun"),
    JOBS: ("/apis/batch/v1", "Job"),
    PODS: ("/api/v1", "Pod"),
    "services": ("/api/v1", "Service"),
    EVENTS: ("/api/v1", "Event"),
    "leases": ("/apis/coordination.k8s.io/v1", "Lease"),
    WORKLOADS: ("/apis/kueue.x-k8s.io/v1beta2", "Workload"),
}
GENERATED = (RUNS, JOBS)
"""The resources of which the server increments `metadata.generation` with each change of spec."""
CREATED_BY_PUT = "leases"
"""The resource whose objects a PUT creates if they do not exist."""
DEFAULT_POLICY = {JOBS: "Orphan"}
"""What a DELETE without a policy does with the dependents; the others: `Background`."""
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
POLICY_FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN}


class Refused(Exception):
    """A request that the server refuses with a status."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason

    def document(self) -> Json:
        """Return the body of the answer."""
        return {
            "kind": "Status",
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.status,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request; `body` shares its parts with the objects of the server."""

    status: int
    body: Json

    @property
    def content(self) -> bytes:
        """The body as JSON."""
        return json.dumps(self.body, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an object: `ADDED`, `MODIFIED` or `DELETED`, at a resource version."""

    version: int
    kind: str
    resource: str
    path: str
    before: Json | None
    document: Json
    at: float


def collection(resource: str, namespace: str = "ns") -> str:
    """Return the path of a namespace's objects of a resource."""
    return f"{APIS[resource][0]}/namespaces/{namespace}/{resource}"


@dataclass
class ApiServer:
    """The objects by path, their history since the last compaction, and the requests."""

    objects: dict[str, Json] = field(default_factory=dict)
    version: int = 100
    changes: list[Change] = field(default_factory=list)
    compacted: int = 0
    """The version up to which the history is lost."""
    listeners: list[Callable[[Change], None]] = field(default_factory=list)
    admit: Callable[[str, str], None] = lambda method, path: None
    """Raises `Refused` for a request that a quota or a webhook rejects."""
    _folders: dict[str, dict[str, Json]] = field(default_factory=dict)
    _of_resource: dict[str, list[dict[str, Json]]] = field(default_factory=dict)
    _created: int = 0

    # --- requests -------------------------------------------------------------------------

    def handle(self, method: str, url: str, body: Json | None = None) -> Answer:
        """Answer a request; `url` is a path with a query."""
        path, query = _path_and_query(url)
        try:
            self.admit(method, path)
            return self._routed(method, path, query, body or {})
        except Refused as refused:
            return Answer(refused.status, refused.document())

    def _routed(self, method: str, path: str, query: Mapping[str, str], body: Json) -> Answer:
        resource, name = _parsed(path)
        if method == "GET" and name is None:
            return Answer(200, self._list(resource, path, query))
        if method == "POST":
            if query.get("dryRun"):
                self._refuse_existing(f"{path}/{body['metadata'].get('name')}")
                return Answer(201, body)
            return Answer(201, self.put(path, body))
        place = path.removesuffix("/status")
        if method == "DELETE":
            return Answer(200, self.delete(place, body))
        if method == "PUT" and resource == CREATED_BY_PUT and place not in self.objects:
            return Answer(201, self.put(place.rpartition("/")[0], body))
        found = self.found(place)
        if method == "GET":
            return Answer(200, found)
        self._check(found, body.get("metadata") or {})
        if method == "PUT":
            metadata = {name: body["metadata"].get(name) for name in _META}
            stored = self.change(place, metadata=metadata, spec=body.get("spec"))
        elif path != place:
            status = merge(found.get("status") or {}, body.get("status") or {})
            stored = self._store(place, {**found, "status": status})
        else:
            stored = self.change(place, **_writable(resource, found, body))
        return Answer(200, stored)

    def _list(self, resource: str, path: str, query: Mapping[str, str]) -> Json:
        start, version = 0, self.version
        if token := query.get("continue"):
            start, version = (int(part) for part in token.split("."))
            if version < self.compacted:
                raise Refused(410, "Expired", "The provided continue parameter is too old")
        labels = _pairs(query.get("labelSelector", ""))
        fields = _pairs(query.get("fieldSelector", ""))
        found = [
            document
            for _, document in self._of(resource, path)
            if has_labels(document, labels) and all(_field(document, *f) for f in fields.items())
        ]
        limit = int(query.get("limit") or 0) or len(found)
        more = f"{start + limit}.{version}" if start + limit < len(found) else ""
        metadata = {"resourceVersion": str(version), "continue": more}
        return {"metadata": metadata, "items": found[start : start + limit]}

    def _of(self, resource: str, path: str) -> Iterator[tuple[str, Json]]:
        if "/namespaces/" in path:
            return iter(self._folders.get(path, {}).items())
        return chain.from_iterable(one.items() for one in self._of_resource.get(resource, ()))

    def _folder(self, path: str) -> dict[str, Json]:
        """Return the objects of a resource in a namespace."""
        if path not in self._folders:
            self._folders[path] = {}
            resource = path.rpartition("/")[2]
            self._of_resource.setdefault(resource, []).append(self._folders[path])
        return self._folders[path]

    def delete(self, place: str, options: Json) -> Json:
        """Delete an object as a DELETE with these options does; return the answer's document."""
        found = self.found(place)
        metadata, wanted = found["metadata"], options.get("preconditions") or {}
        resource, _ = _parsed(place)
        if wanted.get("uid", metadata["uid"]) != metadata["uid"]:
            raise Refused(409, "Conflict", "Precondition failed: UID in precondition")
        self._check(found, wanted)
        policy = options.get("propagationPolicy") or DEFAULT_POLICY.get(resource, "Background")
        before = list(metadata.get("finalizers") or ())
        finalizers = [name for name in before if name not in POLICY_FINALIZERS.values()]
        if policy in POLICY_FINALIZERS:
            finalizers.append(POLICY_FINALIZERS[policy])
        grace = options.get("gracePeriodSeconds", _grace_of(found)) if resource == PODS else 0
        if "deletionTimestamp" in metadata and finalizers == before and grace:
            return found
        if not finalizers and not grace:
            self.remove(place)
            return {"kind": "Status", "status": "Success", "details": {"uid": metadata["uid"]}}
        if "deletionTimestamp" in metadata:
            return self.change(place, metadata={"finalizers": finalizers})
        change: Json = {"deletionTimestamp": timestamp(grace), "finalizers": finalizers}
        if resource == PODS:
            change["deletionGracePeriodSeconds"] = grace
        if "generation" in metadata:
            change["generation"] = metadata["generation"] + 1
        return self.change(place, metadata=change)

    # --- changes by controllers and users ---------------------------------------------------

    def found(self, place: str) -> Json:
        """Return an object; raises `Refused` if it does not exist."""
        if place not in self.objects:
            raise Refused(404, "NotFound", f"{place} not found")
        return self.objects[place]

    def put(self, path: str, document: Json) -> Json:
        """Create an object and return it."""
        resource, _ = _parsed(path)
        metadata = dict(document["metadata"])
        self._created += 1
        metadata.setdefault("name", f"{metadata.get('generateName', '')}{self._created:05x}")
        place = f"{path}/{metadata['name']}"
        self._refuse_existing(place)
        metadata.pop("resourceVersion", None)
        metadata |= {
            "namespace": path.split("/namespaces/")[1].split("/", maxsplit=1)[0],
            "uid": f"uid-{self._created}",
            "creationTimestamp": timestamp(),
        }
        if resource in GENERATED:
            metadata["generation"] = 1
        stored = {**document, "kind": APIS[resource][1], "metadata": metadata}
        return self._store(place, stored)

    def _refuse_existing(self, place: str) -> None:
        if place in self.objects:
            raise Refused(409, "AlreadyExists", f"{place} already exists")

    def change(self, place: str, **members: Any) -> Json:
        """Change members of an object; `metadata` is merged, and a None removes a member."""
        found = self.found(place)
        metadata = {**found["metadata"], **(members.pop("metadata", None) or {})}
        metadata = {name: value for name, value in metadata.items() if value is not None}
        document = {**found, **members}
        resource, _ = _parsed(place)
        if resource in GENERATED and document.get("spec") != found.get("spec"):
            metadata["generation"] = metadata.get("generation", 0) + 1
        return self._store(place, {**document, "metadata": metadata})

    def remove(self, place: str) -> None:
        """Remove an object at once."""
        found = self.objects.pop(place)
        del self._folders[place.rpartition("/")[0]][place]
        self.version += 1
        metadata = {**found["metadata"], "resourceVersion": str(self.version)}
        self._note("DELETED", place, found, {**found, "metadata": metadata})

    def members(self, resource: str) -> list[tuple[str, Json]]:
        """Return all objects of a resource with their paths."""
        return list(self._of(resource, ""))

    def compact(self) -> None:
        """Lose the history, so that watches and continued LISTs from the past end with 410."""
        self.compacted = self.version

    def close(self) -> None:
        """Forget everything, so that no circle of references keeps the documents."""
        for kept in (self.listeners, self.objects, self._folders, self._of_resource):
            kept.clear()
        self.changes = []

    def since(self, version: int) -> list[Change]:
        """Return the changes after a version; raises `Refused` 410 if the history is lost."""
        if version < self.compacted:
            raise Refused(410, "Expired", f"too old resource version: {version}")
        first = len(self.changes)
        while first and self.changes[first - 1].version > version:
            first -= 1
        return self.changes[first:]

    def _check(self, found: Json, metadata: Json) -> None:
        wanted = metadata.get("resourceVersion")
        if wanted and wanted != found["metadata"]["resourceVersion"]:
            message = "Operation cannot be fulfilled: the object has been modified"
            raise Refused(409, "Conflict", message)

    def _store(self, place: str, document: Json) -> Json:
        before = self.objects.get(place)
        if before == document:
            return document
        self.version += 1
        metadata = {**document["metadata"], "resourceVersion": str(self.version)}
        stored = {**document, "metadata": metadata}
        self.objects[place] = stored
        self._folder(place.rpartition("/")[0])[place] = stored
        self._note("MODIFIED" if before is not None else "ADDED", place, before, stored)
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self._finalize(place, metadata)
        return stored

    def _finalize(self, place: str, metadata: Json) -> None:
        if not metadata.get("deletionGracePeriodSeconds") and place in self.objects:
            self.remove(place)

    def _note(self, kind: str, place: str, before: Json | None, document: Json) -> None:
        change = Change(self.version, kind, _parsed(place)[0], place, before, document, monotonic())
        self.changes.append(change)
        for listener in list(self.listeners):
            listener(change)


def _grace_of(pod: Json) -> int:
    return int((pod.get("spec") or {}).get("terminationGracePeriodSeconds", 30))


def has_labels(document: Json, labels: dict[str, str]) -> bool:
    """Return whether an object has these labels."""
    return labels.items() <= (document["metadata"].get("labels") or {}).items()


def _writable(resource: str, found: Json, patch: Json) -> Json:
    """Return what a merge patch of an object changes, except its status."""
    members = {n: merge(found.get(n), v) for n, v in patch.items() if n not in ("metadata",)}
    if resource == RUNS:
        members.pop("status", None)
    metadata = patch.get("metadata") or {}
    allowed = {n: merge(found["metadata"].get(n), metadata[n]) for n in _META if n in metadata}
    return {**members, "metadata": allowed}


_META = ("labels", "annotations", "finalizers")


@lru_cache(maxsize=1000)
def _path_and_query(url: str) -> tuple[str, Mapping[str, str]]:
    parts = urlsplit(url)
    return parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}


@cache
def _parsed(path: str) -> tuple[str, str | None]:
    """Return the resource of a path, and the object's name if the path has one."""
    for resource, (api, _) in APIS.items():
        pattern = f"{re.escape(api)}(?:/namespaces/[^/]+)?/{resource}(?:/([^/]+))?(?:/status)?"
        if match := re.fullmatch(pattern, path):
            return resource, match[1]
    raise Refused(404, "NotFound", f"the server could not find {path}")


def _pairs(selector: str) -> dict[str, str]:
    return dict(one.split("=", 1) for one in selector.split(",") if one)


def _field(document: Json, path: str, wanted: str) -> bool:
    value: Any = document
    for part in path.split("."):
        value = (value or {}).get(part)
    return bool(value == wanted)
