"""The pods of a Job with a walk, for the simulation: they commit stage after stage in its store."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from isheep.contract.order import Frontier, StageOrder, Step, StepResult
from isheep.planner.frontier import walk_frontier
from isheep.planner.job_stages import walked_from
from isheep.planner.orders import step_of
from isheep.planner.walk import walk
from isheep.recipes.interface import FAILED
from isheep.recipes.pinned_spec import PinnedSpec
from isheep.recipes.registry import RECIPES


def walk_job(
    order: StageOrder,
    store: Mapping[str, Mapping[str, float]],
    commit: Callable[[Step], StepResult],
    limit: int | None = None,
) -> tuple[tuple[StepResult, ...], Frontier]:
    """Commit the stages of a Job, and return their results and the frontier.

    Args:
        order: The order, which has a walk.
        store: The statistics of the committed stages by key; `commit` adds to it.
        commit: Commits a stage, or adopts it.
        limit: The largest number of stages to commit; None means all.
    """
    assert order.walk is not None
    spec = PinnedSpec.read_stored(order.walk.spec)
    failed = order.walk.failed
    done: dict[str, StepResult] = {}
    while True:
        walked = walk(
            RECIPES[spec.recipe],
            spec,
            order.walk.prepared,
            order.stage_versions,
            lambda _stage, key: FAILED if key in failed else store.get(key),
        )
        stages = walked_from(walked.stages, order.steps[0].id, order.walk.grouping)
        todo = [s for s in stages if s.id not in done and walked.keys[s.id] not in failed]
        if not todo or (limit is not None and len(done) >= limit):
            kept = walked.results.keys() & done.keys()
            results = {stage: walked.results[stage] for stage in kept}
            known = tuple(stage for stage in stages if stage.id in done)
            counted = type(walked)(walked.stages, walked.keys, results, walked.end)
            return tuple(done.values()), walk_frontier(known or stages, counted)
        step = step_of(todo[0], walked.keys, order.stage_versions)
        done[step.id] = commit(step)
