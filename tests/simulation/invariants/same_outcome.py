"""A disturbed run ends as the same run ends without faults: the same D(t), models and history."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from isheep.api.status import SelfAlignmentRunStatus

from ...unit.isheep.planner.simulation import PlannerSimulation, make_run, outcome
from ..history import History
from ..store import YIELD


def violations(history: History) -> list[str]:
    """Return the runs whose outcome differs from that of an undisturbed run."""
    found = []
    for final in history.final:
        status = SelfAlignmentRunStatus.read_stored(final.run.get("status") or {})
        if status.phase != "Succeeded":
            continue
        # The grouping of stages into Jobs has no effect on their keys.
        spec = {n: v for n, v in final.run["spec"].items() if n not in ("compute", "suspend")}
        expected, actual = undisturbed(json.dumps(spec, sort_keys=True)), outcome(status)
        different = [n for n in expected if _rounded(actual[n]) != _rounded(expected[n])]
        if different:
            name = final.run["metadata"]["name"]
            found.append(f"{name} differs from an undisturbed run in {', '.join(different)}")
    return found


def _rounded(value: Any) -> str:
    """Return a value as text; the result of a walk rounds statistics to five digits."""
    return re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.4g}", str(value))


@cache
def undisturbed(spec: str) -> dict[str, Any]:
    """Return the outcome of a run without faults."""
    document = {**json.loads(spec), "compute": {"inference": {"jobs": "PerStage"}}}
    simulation = PlannerSimulation(make_run(document))
    simulation.yield_per_completion = YIELD
    return outcome(simulation.run_to_end())
