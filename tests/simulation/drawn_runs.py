"""The runs of a simulation: up to three, which need the same first stages."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..unit.isheep.planner.simulation import spec_with
from .api_server import Json
from .themes import Theme

GROUPINGS = (*("Run",) * 8, *("PerRole",) * 4, *("Joined",) * 3, "PerStage")
"""How often each grouping is drawn: less often if a run with it takes longer."""
SCALES = {"PerRole": 1.0, "Joined": 0.9, "Run": 0.35, "PerStage": 1.6}
GPU = {"limits": {"nvidia.com/gpu": "1"}}
GRACE_SECONDS = 60
"""How long a pod may take to end; some workers need longer, and are killed."""
NAMES = ("run", "peer", "third")
COUNTS = (1, 2, 2, 3)
"""How many runs a simulation has, unless its theme says so."""
THRESHOLDS = (6, 2)
"""The thresholds of the runs after the first one."""


def size_of(specs: Sequence[Json]) -> float:
    """Return the size of the counters of faults: what a run needs, and more for several runs."""
    computes = [spec["compute"] for spec in specs]
    scales = [SCALES[one.get("jobs") or one["inference"]["jobs"]] for one in computes]
    return max(scales) * (1 + 0.3 * (len(specs) - 1))


def draw_runs(chance: random.Random, theme: Theme) -> tuple[list[str], list[Json]]:
    """Draw the names and the specs of the runs."""
    compute = _compute(chance, theme, chance.choice(theme.groupings or GROUPINGS))
    first = spec_with(iterations=2, compute=compute)
    count = _count(chance, theme)
    if theme.peer_groupings and count > 1:
        compute = _compute(chance, theme, chance.choice(theme.peer_groupings))
    thresholds = [chance.choice(THRESHOLDS) for _ in range(count - 1)]
    others = [
        spec_with(iterations=2, compute=compute, selection={"threshold": threshold})
        for threshold in thresholds
    ]
    specs = [first, *others]
    if theme.deadline is not None:
        seconds = [int(chance.uniform(*theme.deadline)) for _ in specs]
        specs = [{**s, "activeDeadlineSeconds": n} for s, n in zip(specs, seconds, strict=True)]
    return list(NAMES[:count]), specs


def _count(chance: random.Random, theme: Theme) -> int:
    if theme.peers is None:
        return chance.choice(COUNTS)
    return 2 if theme.peers else 1


def _compute(chance: random.Random, theme: Theme, grouping: str) -> Json:
    compute: Json = {"jobs": "Run"} if grouping == "Run" else {"inference": {"jobs": grouping}}
    if chance.random() < 0.2 and grouping != "Run":
        compute["inference"]["parallelism"] = 2
    devices = GPU if theme.gpus else {}
    compute.setdefault("inference", {})["resources"] = devices
    compute["training"] = {"resources": devices}
    for pool in ("inference", "training"):
        compute[pool]["terminationGracePeriodSeconds"] = GRACE_SECONDS
    return compute
