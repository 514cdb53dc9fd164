"""Checks the user's rights in a namespace, by reviews that everybody may ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from isheep.api.run import GROUP, PLURAL
from isheep.cluster.client import Cluster
from isheep.cluster.finding import Finding

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Need:
    """Rights that some commands need together."""

    title: str
    commands: str
    group: str
    resource: str
    verbs: tuple[str, ...]
    role: str
    subresource: str = ""


NEEDS = (
    Need("right to read runs", "status, list, wait", GROUP, PLURAL, ("get", "list"), "view"),
    Need(
        "right to change runs",
        "submit, suspend, resume, retry, delete",
        GROUP,
        PLURAL,
        ("create", "update", "patch", "delete"),
        "edit",
    ),
    Need("right to list pods", "logs", "", "pods", ("list",), "view"),
    Need("right to read logs", "logs", "", "pods", ("get",), "view", subresource="log"),
)


def check_rights(cluster: Cluster) -> Iterator[Finding]:
    """Yield a finding for each group of rights; raises as a request does."""
    for need in NEEDS:
        missing = [verb for verb in need.verbs if not _allowed(cluster, need, verb)]
        where = f"in namespace {cluster.namespace}"
        if missing:
            message = f"{', '.join(missing)} is missing {where}, for {need.commands}"
            remedy = f"ask an administrator for the role {need.role} in the namespace"
            yield Finding(need.title, "failed", message, remedy)
        else:
            yield Finding(need.title, "ok", f"{', '.join(need.verbs)} {where}")


def _allowed(cluster: Cluster, need: Need, verb: str) -> bool:
    attributes = {
        "namespace": cluster.namespace,
        "verb": verb,
        "group": need.group,
        "resource": need.resource,
        "subresource": need.subresource,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = json.loads(cluster.send("POST", REVIEWS, "the review of your rights", review))
    return bool(answer["status"]["allowed"])
