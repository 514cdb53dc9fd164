"""Other runs that this machine executes now in the same store.

Two runs may share stages, for example if only their thresholds differ. One run makes the shared
stages, and the younger run waits and adopts them. A held lock shows that a run is executed. Runs on
other machines are not found: both execute the same stage, and the store accepts one commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from isheep.local.lock import executing_process
from isheep.local.stored_run import StoredRun, run_names
from isheep.planner.peers import claims
from isheep.planner.types import Peer
from isheep.store.interface import ObjectStore


def live_peers(
    store: ObjectStore, namespace: str, name: str, environment: Mapping[str, str]
) -> Iterator[Peer]:
    """Yield the claims of the namespace's other runs that this machine executes now."""
    for other in run_names(store, namespace):
        if other == name:
            continue
        stored = StoredRun(store, namespace, other)
        if executing_process(stored.ref.uid, environment) is None:
            continue
        view = stored.read()
        if view is not None:
            yield claims(view, ())
