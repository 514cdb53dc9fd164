"""What the API can say and this version cannot do.

The schema is wider than the software: it names what is decided and not yet built, so
that a spec keeps its meaning when it is. Until then such a spec is refused by name,
by `isheep validate` before anything runs and by the planner before any Job, instead of
being carried out as something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from isheep.api.run import SelfAlignmentRunSpec


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A field of the spec whose value this version cannot carry out."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


@dataclass(frozen=True, slots=True)
class _Check:
    field: str
    applies: Callable[[SelfAlignmentRunSpec], bool]
    message: str


_CHECKS = (
    _Check(
        "spec.assessment.scoring",
        lambda spec: (
            spec.selection.method == "SelfAssessment" and spec.assessment.scoring == "Expected"
        ),
        "Expected is not in this version yet: write Sampled",
    ),
    _Check(
        "spec.training.handover",
        lambda spec: spec.training.handover == "Adapter",
        "Adapter is not in this version yet: write Merged",
    ),
    _Check(
        "spec.training.numNodes",
        lambda spec: spec.training.num_nodes > 1,
        "training on several nodes is not in this version yet: write 1",
    ),
)


def unsupported(spec: SelfAlignmentRunSpec) -> tuple[Unsupported, ...]:
    """Return what this version cannot do of a valid spec; empty where it can do all."""
    return tuple(
        Unsupported(check.field, check.message) for check in _CHECKS if check.applies(spec)
    )
