"""The affinity of pods that must not run on certain nodes. Pure.

Kubernetes keeps pods off a node that does not answer by a taint, but pods may tolerate each taint,
and the node may come and go. So the pods exclude it by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def without_nodes(affinity: Mapping[str, Any], nodes: Sequence[str]) -> dict[str, Any]:
    """Return the affinity with the exclusion of nodes, by their names.

    A node must meet one of the terms of a node affinity, so each term gets the exclusion.
    """
    excluded = [
        {"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in sorted(nodes)
    ]
    by_node = affinity.get("nodeAffinity") or {}
    terms = (by_node.get(REQUIRED) or {}).get("nodeSelectorTerms") or [{}]
    required = {
        "nodeSelectorTerms": [
            {**term, "matchFields": [*term.get("matchFields", ()), *excluded]} for term in terms
        ]
    }
    return {**affinity, "nodeAffinity": {**by_node, REQUIRED: required}}
