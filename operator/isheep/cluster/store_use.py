"""Tells whether pods can use the store of a run, from what the pods of runs have reported.

The store has to answer where pods are, with their network and their credentials, so a request from
the user's machine shows nothing. A pod that doctor starts itself would show little more: the
operator alone knows the image, the default store and the fields of a run's pods. But the first
stage of each run writes to the store before anything else. So the runs of the namespace that have
the same store and ServiceAccount have made this check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from isheep.api.storage import Storage
from isheep.cluster.client import Cluster, Document
from isheep.cluster.errors import ForbiddenError
from isheep.cluster.finding import Finding, unknown
from isheep.cluster.references import DEFAULT_ACCOUNT
from isheep.contract.reasons import Reason

STORE = "store"
STORE_REASONS = frozenset(
    {
        Reason.NO_STORAGE,
        Reason.FOLDER_STORAGE,
        Reason.STORE_UNREACHABLE,
        Reason.STORE_REFUSED,
        Reason.STORE_IGNORES_CONDITIONS,
        Reason.STORE_TOO_NEW,
        Reason.STORE_CORRUPT,
        Reason.STORE_FULL,
        Reason.STORE_FAILED,
    }
)
"""The reasons of a run whose pods cannot use their store."""


def check_store(cluster: Cluster, spec: Mapping[str, Any]) -> Finding:
    """Return the finding about the store that a spec names; raises as a request does."""
    try:
        return store_finding(spec, cluster.runs(), cluster.namespace)
    except ForbiddenError:
        return unknown(STORE, f"the runs of namespace {cluster.namespace}")


def store_finding(spec: Mapping[str, Any], runs: Iterable[Document], namespace: str) -> Finding:
    """Return the finding about the store of a spec, from the runs of its namespace.

    The newest run counts that has used the store with the same ServiceAccount.
    """
    used = [run for run in runs if _access(run["spec"]) == _access(spec)]
    used.sort(key=lambda run: str(run["metadata"].get("creationTimestamp")), reverse=True)
    for run in used:
        status, name = run.get("status") or {}, run["metadata"]["name"]
        for condition in status.get("conditions") or ():
            if condition.get("reason") in STORE_REASONS:
                message = " ".join(str(condition.get("message")).split())
                return Finding(STORE, "failed", f"pods of run {name} cannot use it: {message}")
        if any(stage.get("committed") for stage in status.get("stages") or ()):
            return Finding(STORE, "ok", f"pods of run {name} have written to {_where(spec)}")
    return Finding(
        STORE,
        "unknown",
        f"no run of namespace {namespace} has used {_where(spec)} with this ServiceAccount",
        "submit the run: its first stage checks the store from a pod",
    )


def _access(spec: Mapping[str, Any]) -> tuple[Storage | None, str]:
    """Return the store of a spec, and the ServiceAccount with which its pods use the store."""
    return _storage(spec), spec.get("serviceAccountName") or DEFAULT_ACCOUNT


def _storage(spec: Mapping[str, Any]) -> Storage | None:
    return Storage.read_stored(spec["storage"]) if spec.get("storage") else None


def _where(spec: Mapping[str, Any]) -> str:
    storage = _storage(spec)
    if storage is None or storage.s3 is None:
        return "the store of the chart's values" if storage is None else "the folder"
    return storage.s3.store_spec().uri
