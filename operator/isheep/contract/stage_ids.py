"""The ids of stages, such as `prepare`, `i2/respond` and `i1/generate/r3`.

The supervisor of a pod needs the kind in an id, and imports nothing that a stage can break.
"""

from __future__ import annotations


def kind_name(stage: str) -> str:
    """Return the name of the kind in the id of a stage."""
    parts = stage.split("/")
    return parts[1] if len(parts) > 1 else parts[0]


def iteration_of(stage: str) -> int:
    """Return the iteration in the id of a stage; 0 for `prepare`, which is in no iteration."""
    iteration, separator, _ = stage.partition("/")
    return int(iteration.removeprefix("i")) if separator else 0
