"""The workers and the store of one namespace: results, computed from the orders alone.

The planner's own tests have a simulation for the same purpose. This class extends that simulation
with workers that share the parts of a stage. It fails the test if an ordered stage lacks
an input. `prefill` adds the results of an earlier run to the store, so that a test of
`train` begins at `train`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from isheep.contract.order import Outcome, StageOrder, StageResult

from ...unit.isheep.planner.simulation import PlannerSimulation, make_run
from ...unit.isheep.planner.walking_workers import walk_job
from .pod_behaviour import PodBehaviour, Work


class FakeWorkers(PlannerSimulation):
    """The store of a namespace, and the behaviour of its pods."""

    def __init__(self) -> None:
        super().__init__()
        # One round produces all the instructions that the tests' runs need.
        self.yield_per_completion = 8.0
        self._behaviours: dict[tuple[str | None, str], list[PodBehaviour]] = {}
        self._set: dict[tuple[str | None, str], tuple[PodBehaviour, ...]] = {}
        self._shares: defaultdict[str, set[int]] = defaultdict(set)
        self.default: PodBehaviour = Work()

    # What a test sets.

    def set_behaviour(self, stage: str, *behaviours: PodBehaviour, run: str | None = None) -> None:
        """Set the behaviours of the next pods of a stage.

        Args:
            stage: The id or the kind of the stage.
            behaviours: One behaviour for each pod; all further pods get the last one.
            run: The name of the run; all runs of the namespace if None.
        """
        self._behaviours[run, stage] = list(behaviours)
        self._set[run, stage] = behaviours

    def let_work(self, stage: str, run: str | None = None) -> None:
        """Let the pods of a stage do their work, including pods that hold or wait."""
        self.set_behaviour(stage, Work(), run=run)

    def next_behaviour(self, order: StageOrder) -> PodBehaviour:
        """Return the behaviour of the next pod of an order."""
        for name in self._names(order):
            if behaviours := self._behaviours.get(name):
                return behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        return self.default

    def is_set(self, behaviour: PodBehaviour, order: StageOrder) -> bool:
        """Return whether the test has set a behaviour, and no other since, for an order's pods."""
        found = [self._set[name] for name in self._names(order) if name in self._set]
        return bool(found) and behaviour in found[0]

    def prefill(self, spec: dict[str, Any], before: str) -> dict[str, str]:
        """Store the results of all stages of a spec before one stage; return all keys by id."""
        # The storage is part of no key, but the planner requires one.
        earlier = PlannerSimulation(make_run({"storage": {"s3": {"bucket": "bucket"}}, **spec}))
        earlier.yield_per_completion = self.yield_per_completion
        keys = {record.id: record.key for record in earlier.run_to_end().stages}
        assert before in keys, f"a run of this spec has no stage {before}"
        for stage, key in keys.items():
            if stage == before:
                break
            if key in earlier.store:
                self.store[key] = earlier.store[key]
        return keys

    # What the workers do.

    def execute(self, order: StageOrder, index: int, workers: int) -> StageResult:
        """Return the result of one worker: Partial for all but the last of several workers."""
        if [step.kind for step in order.steps] == ["prepare"]:
            return self._prepare(order)
        if order.walk is not None:
            return self.walk(order)
        first = order.steps[0].key
        self._shares[first].add(index)
        if len(self._shares[first]) < workers and first not in self.store:
            return StageResult(outcome=Outcome.PARTIAL)
        steps = tuple(self._commit(step) for step in order.steps)
        return StageResult(outcome=Outcome.COMMITTED, steps=steps)

    def walk(self, order: StageOrder, limit: int | None = None) -> StageResult:
        """Walk through a Job's stages, or through its first `limit` stages, as one of its pods."""
        steps, frontier = walk_job(order, self.store, self._commit, limit)
        return StageResult(outcome=Outcome.COMMITTED, steps=steps, frontier=frontier)

    def _names(self, order: StageOrder) -> list[tuple[str | None, str]]:
        stages = [name for step in order.steps for name in (step.id, step.kind)]
        return [(run, stage) for run in (order.run.name, None) for stage in stages]
