"""What an operator keeps in its memory at the end: nothing of a run that is gone.

The runs of a simulation have ended when this module looks. A run that has ended rests: its record
has a digest in place of spec and status (docs/architecture.md). Then somebody deletes all runs, and
nothing of them may be left a few seconds later: no record, no claim, no pass that is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .api_server import JOBS, RUNS, Json
from .clock import monotonic
from .history import History
from .invariants.disturbances import calm_times
from .job_controller import COLLECTION_SECONDS
from .readings import loses_history

if TYPE_CHECKING:
    from .world import World

CALM_SECONDS = 400.0
"""For this time, nothing has disturbed the operator: a LIST has found what a watch has lost."""
PASS_SECONDS = 5.0
"""How long a watch and a pass need."""


async def kept_in_memory(world: World, history: History) -> tuple[str, ...]:
    """Delete all runs; return what the operator knows of them before and after that.

    An operator that something has disturbed may need the next LIST, so nothing is checked then.
    """
    end, calm = monotonic(), calm_times(history)
    living = [one for one in world.processes if not one.ended.is_set()]
    runs = [document for _, document in world.server.members(RUNS)]
    if len(living) != 1 or not calm.holds(max(0.0, end - CALM_SECONDS), end):
        return ()
    last = max((one.at for one in history.changes if one.resource == RUNS), default=0.0)
    if any(at > last and loses_history(text) for at, text in history.faults):
        # The watch of runs loses the deletions, and the next LIST finds them.
        return ()
    if any((run.get("status") or {}).get("phase") != "Succeeded" for run in runs):
        # Another invariant says so.
        return ()
    (process,) = living
    # Nothing else happens any more.
    world.plan.end()
    found = [*_restless(process.operator, runs)]
    # The failed Job of a measurement may be left, until the garbage collector finds it.
    pause = max(COLLECTION_SECONDS) if world.server.members(JOBS) else 0.0
    for place, _ in world.server.members(RUNS):
        world.server.remove(place)
    await asyncio.sleep(pause + PASS_SECONDS)
    if not process.ended.is_set():
        found += _left(process.operator, [str(run["metadata"]["uid"]) for run in runs])
    return tuple(found)


def _restless(operator: Any, runs: list[Json]) -> Iterator[str]:
    """Yield the runs that have ended, and whose record is missing or does not rest."""
    for run in runs:
        record, name = operator._cache.runs.get(run["metadata"]["uid"]), run["metadata"]["name"]
        if record is None:
            yield f"{name} is not in the cache"
        elif not record.rests or record.spec or record.status or not record.digest:
            yield f"{name} has ended, and its record does not rest"


def _left(operator: Any, uids: list[str]) -> Iterator[str]:
    """Yield what is left of runs that are gone."""
    cache, reconciler, queue = operator._cache, operator._reconciler, operator._queue
    neighbours = reconciler._neighbours
    places = {
        "the records of runs": {run.uid for run in cache.runs},
        "the records of Jobs": {job.run_uid for job in cache.jobs},
        "the Jobs by run": set(cache._jobs_of),
        "the lost Jobs": set(cache._lost),
        "the memory of passes": set(reconciler._memories),
        "the claims": set(neighbours._claims._claims),
        "the queue": set(queue._due),
        "the failures of passes": set(operator._failures),
        "the polls": set(operator._polls._running),
    }
    for name, kept in places.items():
        if kept:
            who = "a run that is gone" if kept & set(uids) else "an earlier run"
            yield f"{name} of the operator still has {who}"
