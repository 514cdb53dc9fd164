"""What `isheep list` shows of a run, and the runs of one namespace in a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from isheep.api.status import IterationRecord
from isheep.contract.choices import ShownPhase
from isheep.local.lock import executing_process
from isheep.local.shown_status import shown_phase
from isheep.local.stored_run import StoredRun, run_names
from isheep.planner.types import RunView
from isheep.store.interface import ObjectStore


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run in a store or on a cluster.

    `iterations` is the number of planned iterations, and `history` has the finished ones.
    """

    namespace: str
    name: str
    recipe: str
    phase: ShownPhase
    progress: str | None
    iterations: int
    created: datetime
    history: tuple[IterationRecord, ...]


def listed_runs(
    store: ObjectStore, namespace: str, environment: Mapping[str, str]
) -> Iterator[ListedRun]:
    """Yield the runs of a namespace, sorted by name.

    Runs of a cluster are left out, because their state is in the cluster.

    Raises:
        StoreCorruptError: A document of a run is damaged.
    """
    for name in run_names(store, namespace):
        stored = StoredRun(store, namespace, name)
        view = stored.read()
        if view is None:
            continue
        executed = executing_process(view.uid, environment) is not None
        yield listed_run(view, shown_phase(view, executed=executed))


def listed_run(run: RunView, phase: ShownPhase) -> ListedRun:
    """Return what a list shows of a run that is in this phase now."""
    return ListedRun(
        namespace=run.namespace,
        name=run.name,
        recipe=str(run.spec["recipe"]),
        phase=phase,
        progress=run.status.progress,
        iterations=int(run.spec["iterations"]),
        created=run.created,
        history=tuple(record for record in run.status.history if record.iteration),
    )
