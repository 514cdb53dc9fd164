"""The store of a simulation: committed stages by key, and a log of every commit.

The results of stages are functions of their orders alone, as in the planner's own simulation. A key
is written only once; a worker that comes later gets the result that exists. The log shows if two
workers made the same stage at the same time, which the operator must prevent.
"""

from __future__ import annotations

import hashlib
import json
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass

from isheep.contract.choices import VERDICT_ACTIONS
from isheep.contract.order import Outcome, StageOrder, StageResult, Step, StepResult
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind

from ..unit.isheep.planner.simulated_statistics import statistics_of
from ..unit.isheep.planner.simulation import PlannerSimulation
from ..unit.isheep.planner.walking_workers import walk_job
from .clock import monotonic

YIELD = 3.0
"""New instructions for each completion; with 3.0, an iteration of 40 has one or two rounds."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One write of a stage; `first` is False if another worker had written it before."""

    at: float
    stage: str
    key: str
    job: str
    content: str
    first: bool
    statistics: Mapping[str, float]


class Store(PlannerSimulation):
    """The committed stages of a namespace's bucket."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Commit] = []
        self.unreachable_until = 0.0

    @property
    def is_reachable(self) -> bool:
        return monotonic() >= self.unreachable_until

    def prepare(self, order: StageOrder) -> StageResult:
        """Return the result of prepare for the present content of the store."""
        return self._prepare(order)

    def walk(self, order: StageOrder) -> tuple[list[Step], StageResult]:
        """Return the stages that a walk passes through, and its result at its end."""
        ahead: ChainMap[str, dict[str, float]] = ChainMap({}, self.store)
        passed: list[Step] = []

        def note(step: Step) -> StepResult:
            passed.append(step)
            if step.key not in ahead:
                ahead[step.key] = self._statistics(step, ahead)
            return StepResult(id=step.id, key=step.key, statistics=ahead[step.key])

        steps, frontier = walk_job(order, ahead, note)
        result = StageResult(outcome=Outcome.COMMITTED, steps=steps, frontier=frontier)
        return passed, result

    def walked(self, order: StageOrder, count: int) -> StageResult:
        """Return what a walk reports that ends after `count` stages, all of them committed."""
        steps, frontier = walk_job(order, self.store, self.adopt, count)
        return StageResult(outcome=Outcome.COMMITTED, steps=steps, frontier=frontier)

    def adopt(self, step: Step) -> StepResult:
        """Return the result of a stage that is committed."""
        statistics = self.store[step.key]
        return StepResult(id=step.id, key=step.key, adopted=True, statistics=statistics)

    def commit(self, step: Step, job: str) -> StepResult:
        """Write a stage that a worker has made, or return the result that exists."""
        found = self._statistics(step, self.store)
        text = json.dumps([step.kind, found], sort_keys=True)
        content = hashlib.sha256(text.encode()).hexdigest()
        first = step.key not in self.store
        self.log.append(Commit(monotonic(), step.id, step.key, job, content, first, found))
        if first:
            self.store[step.key] = found
        return StepResult(id=step.id, key=step.key, statistics=self.store[step.key])

    def _statistics(self, step: Step, store: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        found = statistics_of(step, store, YIELD)
        # A stage kind that is newer than the simulated statistics has the least that it must have.
        for name in STAGE_DEFINITIONS[StageKind(step.kind)].essential_statistics[:1]:
            found.setdefault(name, 1.0)
        return with_alarms(step, found)


def with_alarms(step: Step, statistics: dict[str, float]) -> dict[str, float]:
    """Return the statistics of a stage, of every second verdict with an alarm of a guard.

    The verdict has the action that its settings name for an alarm.
    """
    if step.kind == StageKind.VERDICT and int(step.key[:4], 16) % 2:
        action = step.settings.get("action") or "Continue"
        place = float(VERDICT_ACTIONS.index(action))
        return {**statistics, "alarms": 1.0, "alarmRule": 0.0, "action": place}
    return statistics
