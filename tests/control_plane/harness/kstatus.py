"""kstatus in a few lines: the state that tools such as Flux and Argo compute of an object.

The rules of sigs.k8s.io/cli-utils/pkg/kstatus for an unknown kind check in this order: the
deletion, the generation, the conditions in their listed order, and Ready. This
implementation follows the documentation of kstatus.
"""

from __future__ import annotations

from typing import Any

IN_PROGRESS, CURRENT, FAILED, TERMINATING = "InProgress", "Current", "Failed", "Terminating"


def kstatus(document: dict[str, Any]) -> str:
    """Return Current, InProgress, Failed or Terminating."""
    metadata, status = document["metadata"], document.get("status") or {}
    if "deletionTimestamp" in metadata:
        return TERMINATING
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata["generation"]:
        return IN_PROGRESS
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return IN_PROGRESS
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return FAILED
    for condition in conditions:
        if condition["type"] == "Ready" and condition["status"] != "True":
            return IN_PROGRESS
    return CURRENT
