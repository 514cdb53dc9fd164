"""The nodes of a simulation: where pods run, and what happens while a node does not answer.

The kubelet of a silent node reports nothing and hears of no deletion until the node answers again.
Its containers stand still as well if the machine is `frozen`; otherwise they go on, because only
the kubelet is cut off. The node controller marks the pods of a silent node as not ready, and evicts
those that do not tolerate it.

Pods may tolerate the taint of a silent node. So the scheduler puts the next attempt on the node
that its run has lost, unless the pod excludes that node by its name.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .api_server import PODS, ApiServer, Json
from .clock import Scheduler, monotonic, timestamp

NAMES = ("node-0", "node-1", "node-2")
MARK_SECONDS = 40.0
EVICT_SECONDS = 300.0
RUN_UID = "isheep.dev/run-uid"


@dataclass(frozen=True, slots=True)
class Silence:
    """A node does not answer for a time; `frozen` if its containers stand still meanwhile."""

    node: str
    begin: float
    end: float
    frozen: bool


class Nodes:
    """All nodes, the scheduler and the node controller."""

    def __init__(self, server: ApiServer, scheduler: Scheduler, chance: random.Random) -> None:
        self._server, self._scheduler, self._chance = server, scheduler, chance
        self.silences: list[Silence] = []

    def node_for(self, pod: Json) -> str | None:
        """Return the node for a pod, or None if it excludes all nodes that answer."""
        excluded = excluded_nodes(pod["spec"])
        silent = {one.node for one in self.silences if one.end > monotonic()}
        run = pod["metadata"]["labels"].get(RUN_UID)
        lost = [
            name
            for name in sorted(silent - excluded)
            if any(other["metadata"]["labels"].get(RUN_UID) == run for _, other in self._on(name))
        ]
        free = [name for name in NAMES if name not in excluded | silent]
        return lost[0] if lost else self._chance.choice(free) if free else None

    def until(self, node: str | None, *, frozen: bool = False) -> float:
        """Return until when a node is silent, or frozen; a time in the past if it is not."""
        ends = [one.end for one in self.silences if one.node == node and one.frozen >= frozen]
        return max(ends, default=0.0)

    def last_end(self) -> float:
        """Return when the last silent node answers again; 0.0 if none was silent."""
        return max((one.end for one in self.silences), default=0.0)

    async def answers(self, node: str | None, *, frozen: bool = False) -> None:
        """Wait until a node answers, or is not frozen."""
        while (rest := self.until(node, frozen=frozen) - monotonic()) > 0:
            await asyncio.sleep(rest)

    def lose(self, node: str, seconds: float, *, frozen: bool, evicts: bool) -> None:
        """Let a node be silent for some seconds, unless it is silent already."""
        if self.until(node) > monotonic():
            return
        end = monotonic() + seconds
        self.silences.append(Silence(node, monotonic(), end, frozen))
        if seconds > MARK_SECONDS:
            self._scheduler.later(MARK_SECONDS, lambda: self._mark(node))
        if evicts and seconds > MARK_SECONDS + EVICT_SECONDS:
            self._scheduler.later(MARK_SECONDS + EVICT_SECONDS, lambda: self._evict(node))
        self._scheduler.later(seconds, lambda: self._mark(node, "True"))

    def _on(self, node: str) -> Iterator[tuple[str, Json]]:
        for place, pod in self._server.members(PODS):
            over = pod["status"].get("phase") in ("Succeeded", "Failed")
            if pod["spec"].get("nodeName") == node and not over:
                yield place, pod

    def _mark(self, node: str, ready: str = "False") -> None:
        """Set the condition Ready of the pods that run on a node."""
        for place, pod in self._on(node):
            if pod["status"]["phase"] != "Running":
                continue
            others = [c for c in pod["status"]["conditions"] if c["type"] != "Ready"]
            mark = {"type": "Ready", "status": ready, "lastTransitionTime": timestamp()}
            self._server.change(place, status={**pod["status"], "conditions": [mark, *others]})

    def _evict(self, node: str) -> None:
        for place, pod in self._on(node):
            target = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaint"}
            target["lastTransitionTime"] = timestamp()
            conditions = [*pod["status"].get("conditions", ()), target]
            self._server.change(place, status={**pod["status"], "conditions": conditions})
            self._server.delete(place, {})


def excluded_nodes(pod: Json) -> set[str]:
    """Return the nodes that a pod excludes by their names."""
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms: list[Any] = required.get("nodeSelectorTerms") or [{}]
    return set.intersection(
        *(
            {
                name
                for rule in term.get("matchFields", ())
                if (rule["key"], rule["operator"]) == ("metadata.name", "NotIn")
                for name in rule["values"]
            }
            for term in terms
        )
    )
