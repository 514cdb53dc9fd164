"""The variables of a pod, and its order, as a container sees them after the kubelet's expansion."""

from __future__ import annotations

import re
from typing import Any

from isheep.contract.order import StageOrder, parse_order

CONTAINER = "worker"


def environment_of(document: dict[str, Any]) -> dict[str, str]:
    """Return the variables of the worker that a pod names with their values."""
    found = next(c for c in document["spec"]["containers"] if c["name"] == CONTAINER)
    return {one["name"]: one["value"] for one in found.get("env", ()) if "value" in one}


def order_of(document: dict[str, Any]) -> StageOrder:
    """Read the order as a container does."""
    environment = environment_of(document)
    return parse_order(_expanded("ISHEEP_ORDER", environment), environment["ISHEEP_ORDER_SHA256"])


def _expanded(name: str, environment: dict[str, str]) -> str:
    """Return a variable as a kubelet expands it: `$$` is a dollar, `$(NAME)` a variable."""
    names = list(environment)
    earlier = {n: environment[n] for n in names[: names.index(name)]}

    def replaced(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else earlier.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", replaced, environment[name])
