"""A disturbed run ends as the same run ends without faults: the same D(t), models and history.

A run goes on without a measurement that has failed. Then the run without faults lacks it, too.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import Step, StepResult
from isheep.planner.types import Environment

from ...unit.isheep.planner.simulation import PlannerSimulation, make_run, outcome
from ..history import History
from ..operator_process import CONFIG
from ..store import YIELD, with_alarms

INSTALLATION = Environment(worker_image=CONFIG.worker_image, default_storage=CONFIG.default_store)

OTHERS = ("compute", "suspend", "serviceAccountName", "storage")
"""Fields that have no effect on an outcome. All simulated runs have the same store."""


def violations(history: History) -> list[str]:
    """Return the runs whose outcome differs from that of an undisturbed run."""
    found = []
    for final in history.final:
        status = SelfAlignmentRunStatus.read_stored(final.run.get("status") or {})
        if status.phase != "Succeeded":
            continue
        spec = {n: v for n, v in final.run["spec"].items() if n not in OTHERS}
        spec["model"] = {n: v for n, v in spec["model"].items() if n != "secretRef"}
        lost = tuple(sorted(one.id for one in status.stages if one.failure is not None))
        expected = undisturbed(json.dumps(spec, sort_keys=True), lost)
        actual = _without_causes(outcome(status))
        different = [n for n in expected if _rounded(actual[n]) != _rounded(expected[n])]
        if different:
            name = final.run["metadata"]["name"]
            found.append(f"{name} differs from an undisturbed run in {', '.join(different)}")
    return found


def _rounded(value: Any) -> str:
    """Return a value as text; the result of a walk rounds statistics to five digits."""
    return re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.4g}", str(value))


@cache
def undisturbed(spec: str, lost: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the outcome of a run without faults, but in which the stages `lost` fail finally."""
    document = {**json.loads(spec), "compute": {"inference": {"jobs": "PerStage"}}}
    simulation = _Losing(make_run(document), environment=INSTALLATION, lost=lost)
    simulation.yield_per_completion = YIELD
    return _without_causes(outcome(simulation.run_to_end()))


def _without_causes(found: dict[str, Any]) -> dict[str, Any]:
    """Return an outcome without the reasons for which measurements have failed."""
    conditions = [(t, s, "" if t == "Evaluated" else r) for t, s, r in found["conditions"]]
    return {**found, "conditions": conditions}


@dataclass
class _Losing(PlannerSimulation):
    """A run in which stages fail finally."""

    lost: tuple[str, ...] = ()

    def complete(self, name: str, *, only: int | None = None) -> None:
        """End an attempt: with a failure if its stage is one of those."""
        if self.attempts[name].order.steps[0].id in self.lost:
            self.fail(name, int(ExitCode.BAD_INPUT))
        else:
            super().complete(name, only=only)

    def _commit(self, step: Step) -> StepResult:
        """Commit a stage with the statistics of the simulated store."""
        super()._commit(step)
        found = self.store[step.key] = with_alarms(step, self.store[step.key])
        return StepResult(id=step.id, key=step.key, statistics=found)
