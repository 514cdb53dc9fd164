"""Checks that the objects exist that a run names: ServiceAccount, Secrets and ConfigMaps.

The references are found by the names of the fields, so a new field of a known kind is checked too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from isheep.cluster.client import Cluster
from isheep.cluster.errors import ForbiddenError, NotFoundError
from isheep.cluster.finding import Finding, unknown

DEFAULT_ACCOUNT = "default"
KINDS = {
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
    "imagePullSecrets": "Secret",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "promptsRef": "ConfigMap",
}
_KEYS = {
    "storage.s3.secretRef": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "model.secretRef": ("token",),
    "judge.model.secretRef": ("token",),
    "judge.endpoint.secretRef": ("apiKey",),
}
"""The keys that a Secret must have although its reference does not name them."""
_PLURALS = {"Secret": "secrets", "ConfigMap": "configmaps", "ServiceAccount": "serviceaccounts"}


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that a field of the spec names, with the keys that it must have."""

    field: str
    kind: str
    name: str
    keys: tuple[str, ...] = ()


def references(spec: Mapping[str, Any]) -> list[Reference]:
    """Return the objects that a spec names, in the order of the spec."""
    account = spec.get("serviceAccountName") or DEFAULT_ACCOUNT
    first = Reference("spec.serviceAccountName", "ServiceAccount", account)
    return [first, *_found(spec, "")]


def check_references(cluster: Cluster, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding for each object that a spec names; raises as a request does."""
    for reference in references(spec):
        yield _check(cluster, reference)


def _found(value: Any, path: str) -> Iterator[Reference]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _found(item, f"{path}[{index}]")
        return
    if not isinstance(value, Mapping):
        return
    for field, inner in value.items():
        place = f"{path}.{field}".removeprefix(".")
        if field not in KINDS:
            yield from _found(inner, place)
            continue
        for one in inner if isinstance(inner, list) else [inner]:
            keys = (one["key"],) if "key" in one else _KEYS.get(place, ())
            yield Reference(f"spec.{place}", KINDS[field], one["name"], keys)


def _check(cluster: Cluster, reference: Reference) -> Finding:
    kind, name, namespace = reference.kind, reference.name, cluster.namespace
    check = f"{kind} {name}"
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/{_PLURALS[kind]}/{quote(name, safe='')}"
    try:
        found = json.loads(cluster.send("GET", path, f"{check} in namespace {namespace}"))
    except ForbiddenError:
        return unknown(check, f"it in namespace {namespace}")
    except NotFoundError:
        message = f"{reference.field} names it, and namespace {namespace} does not have it"
        return Finding(check, "failed", message, f"create it, or correct {reference.field}")
    held = {*(found.get("data") or {}), *(found.get("binaryData") or {})}
    if missing := [key for key in reference.keys if key not in held]:
        message = f"lacks the key {', '.join(missing)}, which {reference.field} needs"
        return Finding(check, "failed", message, "add the key to it")
    return Finding(check, "ok", f"exists in namespace {namespace}")
