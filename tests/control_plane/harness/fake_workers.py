"""What workers leave in one namespace: results and a store, from the orders alone.

The planner's own tests have a world for that; this is the same one, with workers that
share a stage's parts added. It breaks the test where a stage is ordered whose inputs
are not there. `prefill` puts what an earlier run would have left into the store, so
that a story about `train` begins there.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from isheep.contract.order import Outcome, StageOrder, StageResult

from ...unit.isheep.planner.world import World, make_run
from .behaviour import Behaviour, Work


class Workshop(World):
    """The store of a namespace, and what its pods are told to do."""

    def __init__(self) -> None:
        super().__init__()
        # One round makes all the instructions that test runs ask for.
        self.yield_per_completion = 8.0
        self._told: dict[tuple[str | None, str], list[Behaviour]] = {}
        self._shares: defaultdict[str, set[int]] = defaultdict(set)
        self.default: Behaviour = Work()

    # What the test tells.

    def tell(self, stage: str, *behaviours: Behaviour, run: str | None = None) -> None:
        """Let the next pods of a stage do these, one each, the last one again and again.

        A stage is named by id or by kind. `Work()` last is what mends.
        """
        self._told[run, stage] = list(behaviours)

    def mend(self, stage: str, run: str | None = None) -> None:
        """Let a stage's pods work, also those that wait."""
        self.tell(stage, Work(), run=run)

    def next_behaviour(self, order: StageOrder) -> Behaviour:
        for name in self._names(order):
            if told := self._told.get(name):
                return told.pop(0) if len(told) > 1 else told[0]
        return self.default

    def is_told(self, behaviour: Behaviour, order: StageOrder) -> bool:
        told = [self._told[name] for name in self._names(order) if name in self._told]
        return bool(told) and behaviour in told[0]

    def prefill(self, spec: dict[str, Any], before: str) -> dict[str, str]:
        """Store what a run of this spec leaves before it comes to a stage; returns all keys."""
        # Where data goes is in no key, but the planner wants to know.
        earlier = World(make_run({"storage": {"s3": {"bucket": "bucket"}}, **spec}))
        earlier.yield_per_completion = self.yield_per_completion
        keys = {record.id: record.key for record in earlier.drive().stages}
        assert before in keys, f"a run of this spec never comes to {before}"
        for stage, key in keys.items():
            if stage == before:
                break
            if key in earlier.store:
                self.store[key] = earlier.store[key]
        return keys

    # What workers do.

    def carry_out(self, order: StageOrder, index: int, workers: int) -> StageResult:
        """Return what a worker of this order leaves; all but the last of several: Partial."""
        if [step.kind for step in order.steps] == ["prepare"]:
            return self._prepare(order)
        first = order.steps[0].key
        self._shares[first].add(index)
        if len(self._shares[first]) < workers and first not in self.store:
            return StageResult(outcome=Outcome.PARTIAL)
        steps = tuple(self._commit(step) for step in order.steps)
        return StageResult(outcome=Outcome.COMMITTED, steps=steps)

    def _names(self, order: StageOrder) -> list[tuple[str | None, str]]:
        stages = [name for step in order.steps for name in (step.id, step.kind)]
        return [(run, stage) for run in (order.run.name, None) for stage in stages]
