"""Runs for tests: small, quick, and defined in one line.

`Run("name").skip_to("train")` begins at `train`, because the results of all earlier stages
are in the store. `.spec(...)` sets fields, and merges the members of objects.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

SPEC: dict[str, Any] = {
    "recipe": "ISheep",
    "iterations": 1,
    "model": {"storageUri": "hf://org/model"},
    "instructions": {"count": 8},
    "selection": {"threshold": 6, "minSamples": 1},
    # Most tests need a Job for each stage. `test_walks.py` tests the other groupings.
    "compute": {"inference": {"jobs": "PerStage"}},
    "yardstick": {"items": 0},
}
"""One iteration of prepare, generate, curate, respond, assess, select, train, merge, report."""


@dataclass(frozen=True)
class Run:
    """A run that a test creates. Each method returns a changed copy."""

    name: str = "run"
    fields: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(SPEC))
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    begins_at: str | None = None

    def named(self, name: str) -> Run:
        return replace(self, name=name)

    def spec(self, **changes: Any) -> Run:
        return replace(self, fields=merged(self.fields, changes))

    def labelled(self, **labels: str) -> Run:
        return replace(self, labels={**self.labels, **labels})

    def queued(self, queue: str = "queue") -> Run:
        return replace(self, labels={**self.labels, "kueue.x-k8s.io/queue-name": queue})

    def annotated(self, **annotations: str) -> Run:
        return replace(self, annotations={**self.annotations, **annotations})

    def skip_to(self, stage: str) -> Run:
        """Prefill the store with the results of all stages before a stage."""
        return replace(self, begins_at=stage)

    def document(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": self.name}
        if self.labels:
            metadata["labels"] = self.labels
        if self.annotations:
            metadata["annotations"] = self.annotations
        return {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": metadata,
            "spec": self.fields,
        }


def merged(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with replaced fields: objects are merged, None removes a field."""
    result = copy.deepcopy(document)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result
