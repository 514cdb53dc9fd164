"""The spec of a run with what its earlier iterations have decided for good.

A verdict can stop a run, or let an earlier model write the next iteration. The key of a verdict
contains the rules. So after an edit of the rules, the verdicts of earlier iterations are made
again, and could decide differently. An iteration that has begun must not change: the planner
therefore keeps its decision here.
"""

from __future__ import annotations

from isheep.api.base import Integer
from isheep.api.run import SelfAlignmentRunSpec

WRITERS = "writers"
"""The name of the field in a document."""


class PinnedSpec(SelfAlignmentRunSpec):
    """A spec, and the decisions of the iterations that have begun.

    `writers` has, for iterations 1, 2, …, the t of the model that writes the iteration. It is None
    if no decision is kept.
    """

    writers: tuple[Integer, ...] | None = None


def decided_writers(spec: SelfAlignmentRunSpec) -> tuple[int, ...]:
    """Return the t of the models that write iterations 1, 2, …, as far as this is decided."""
    return (spec.writers or ()) if isinstance(spec, PinnedSpec) else ()
