"""Checks the installation of the operator: CRD, Deployment, admission policy, Kueue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from isheep import __version__
from isheep.api.generation.crd import crd
from isheep.api.run import GROUP, PLURAL, VERSION
from isheep.cluster.client import Cluster, Document
from isheep.cluster.errors import ClusterError, ForbiddenError
from isheep.cluster.finding import Finding, unknown

CRD = "CRD"
OPERATOR = "operator"
ADMISSION = "admission policy"
KUEUE = "Kueue"
KUEUE_GROUP = "kueue.x-k8s.io"
INSTALL = "install the operator's chart"
_CRD_PATH = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}"
_ADMISSION_PATH = "/apis/admissionregistration.k8s.io/v1"
_OPERATOR_QUERY = [("labelSelector", "app.kubernetes.io/name=isheep-operator")]
_SHOWN_FIELDS = 5


def check_installation(cluster: Cluster) -> Iterator[Finding]:
    """Yield a finding for each part of the installation.

    Raises `ClusterUnreachableError`, and `ClusterError` if the credentials are not accepted.
    """
    groups = _get(cluster, "/apis", "the API groups")["groups"]
    names = {group["name"] for group in groups}
    if GROUP not in names:
        message = "the cluster has no SelfAlignmentRun"
        yield Finding(CRD, "failed", message, f"{INSTALL}, or choose another --context")
    else:
        yield _check_crd(cluster)
    yield _check_operator(cluster)
    yield _check_admission(cluster)
    if KUEUE_GROUP in names:
        message = f"installed; runs with the label {KUEUE_GROUP}/queue-name wait in a queue"
    else:
        message = "not installed; runs start without a queue"
    yield Finding(KUEUE, "ok", message)


def compared_schemas(found: Mapping[str, Any], own: Mapping[str, Any]) -> Finding:
    """Return the finding about the schema of the CRD on a cluster, and that of this isheep."""
    there, here = set(_fields(found, "")), set(_fields(own, ""))
    if missing := sorted(here - there):
        return Finding(
            CRD,
            "failed",
            f"older than isheep {__version__}, because it lacks {_some(missing)}",
            "upgrade the operator's chart, or use the isheep of its version",
        )
    if extra := sorted(there - here):
        message = f"newer than isheep {__version__}, which does not know {_some(extra)}"
        return Finding(CRD, "ok", message)
    return Finding(CRD, "ok", f"has the fields of isheep {__version__}")


def operator_finding(deployments: list[Document]) -> Finding:
    """Return the finding about the Deployments of operators."""
    if not deployments:
        return Finding(OPERATOR, "failed", "no Deployment has the labels of its chart", INSTALL)
    ready = [d for d in deployments if (d.get("status") or {}).get("readyReplicas")]
    metadata = (ready or deployments)[0]["metadata"]
    where = f"Deployment {metadata['name']} in namespace {metadata['namespace']}"
    if not ready:
        remedy = f"see `kubectl describe -n {metadata['namespace']} deployment {metadata['name']}`"
        return Finding(OPERATOR, "failed", f"{where} has no ready pod", remedy)
    version = (metadata.get("labels") or {}).get("app.kubernetes.io/version", "unknown")
    own = "" if version == __version__ else f"; this isheep has version {__version__}"
    return Finding(OPERATOR, "ok", f"{where} is ready, version {version}{own}")


def admission_finding(policies: list[Document], bindings: list[Document]) -> Finding:
    """Return the finding about the policies that restrict runs."""
    names = [policy["metadata"]["name"] for policy in policies if _restricts_runs(policy)]
    if not names:
        message = "none restricts what runs may name; the chart's values admission set one"
        return Finding(ADMISSION, "ok", message)
    bound = {binding["spec"].get("policyName") for binding in bindings}
    if unbound := [name for name in names if name not in bound]:
        message = f"{', '.join(unbound)} has no binding, so it has no effect"
        return Finding(ADMISSION, "failed", message, "upgrade the operator's chart")
    return Finding(ADMISSION, "ok", f"{', '.join(names)} restricts what runs may name")


def _check_crd(cluster: Cluster) -> Finding:
    try:
        found = _get(cluster, _CRD_PATH, "the CRD")
    except ForbiddenError:
        # The discovery, which everybody may read, tells at least whether the version is served.
        try:
            _get(cluster, f"/apis/{GROUP}/{VERSION}", "the served version")
        except ForbiddenError:
            return unknown(CRD, "the API's versions")
        except ClusterError:
            return _unserved()
        return Finding(CRD, "ok", f"serves {VERSION}; its fields need the right to read the CRD")
    own, there = (
        {version["name"]: version for version in one["spec"]["versions"] if version["served"]}
        for one in (crd(), found)
    )
    if VERSION not in there:
        return _unserved()
    schemas = (one[VERSION]["schema"]["openAPIV3Schema"] for one in (there, own))
    return compared_schemas(*schemas)


def _unserved() -> Finding:
    return Finding(CRD, "failed", f"does not serve {VERSION}", "upgrade the operator's chart")


def _check_operator(cluster: Cluster) -> Finding:
    path, what = "/apis/apps/v1/deployments", "the Deployments of all namespaces"
    try:
        return operator_finding(list(cluster.items(path, what, _OPERATOR_QUERY)))
    except ForbiddenError:
        return unknown(OPERATOR, what)


def _check_admission(cluster: Cluster) -> Finding:
    what = "the admission policies"
    try:
        policies = list(cluster.items(f"{_ADMISSION_PATH}/validatingadmissionpolicies", what))
        bindings = list(cluster.items(f"{_ADMISSION_PATH}/validatingadmissionpolicybindings", what))
    except ForbiddenError:
        return unknown(ADMISSION, what)
    return admission_finding(policies, bindings)


def _restricts_runs(policy: Document) -> bool:
    rules = (policy["spec"].get("matchConstraints") or {}).get("resourceRules") or ()
    # The policy for the status says who writes it, and the one for the size how long texts are.
    return not policy["metadata"]["name"].endswith("-size") and any(
        GROUP in rule.get("apiGroups", ()) and {PLURAL, "*"} & set(rule.get("resources", ()))
        for rule in rules
    )


def _fields(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, field in (schema.get("properties") or {}).items():
        inner = f"{path}.{name}".removeprefix(".")
        yield inner
        yield from _fields(field, inner)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            yield from _fields(schema[name], path)


def _some(fields: list[str]) -> str:
    more = len(fields) - _SHOWN_FIELDS
    return ", ".join(fields[:_SHOWN_FIELDS]) + (f" and {more} more" if more > 0 else "")


def _get(cluster: Cluster, path: str, subject: str) -> Document:
    document: Document = json.loads(cluster.send("GET", path, subject))
    return document
