"""The Service builder: the headless Service that training on several nodes needs. Pure.

There is one Service for each run, and the run owns it. It serves every attempt. The pods get
their DNS names before they are ready, because they become ready only after they have found each
other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isheep.contract.labels import RUN_LABEL
from isheep.kube import names
from isheep.kube.owners import Document, Owner, owner_references
from isheep.recipes.stage_kinds import StageKind

_COMPARED = ("clusterIP", "publishNotReadyAddresses", "selector")


def service_document(owner: Owner, namespace: str) -> Document:
    """Return the headless Service of a run."""
    selected = {names.RUN_UID_LABEL: owner.uid, names.STAGE_LABEL: str(StageKind.TRAIN)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": names.service_name(owner.name, owner.uid),
            "namespace": namespace,
            "labels": {
                names.MANAGED_BY_LABEL: names.MANAGED_BY,
                RUN_LABEL: owner.name,
                names.RUN_UID_LABEL: owner.uid,
            },
            "ownerReferences": owner_references(owner),
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selected,
            "ports": [{"name": "rendezvous", "port": names.RENDEZVOUS_PORT}],
        },
    }


def is_same_service(found: Mapping[str, Any], document: Document) -> bool:
    """Return whether an existing Service has the owner and the fields of the document."""
    owners = {reference["uid"] for reference in found["metadata"].get("ownerReferences") or ()}
    wanted = {reference["uid"] for reference in document["metadata"]["ownerReferences"]}
    spec = found.get("spec") or {}
    return wanted <= owners and all(spec.get(f) == document["spec"][f] for f in _COMPARED)
