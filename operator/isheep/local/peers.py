"""Other runs that are carried out on this machine now, from the same store.

Two runs that share stages (say, one threshold apart) should make them once: the
younger waits and takes over. Who is at work is told by the run's lock. Runs on other
machines are not seen: they would make the same stage twice, and one commit would win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from isheep.local.lock import holder_of
from isheep.local.paths import LocalPaths
from isheep.local.stored_run import RUN_FILE, StoredRun
from isheep.planner.peers import claims
from isheep.planner.types import Peer
from isheep.store.interface import ObjectStore


def live_peers(
    store: ObjectStore, namespace: str, name: str, environment: Mapping[str, str]
) -> Iterator[Peer]:
    """Yield what the other live runs of the namespace claim."""
    for info in store.list(f"{namespace}/runs/"):
        other, _, file = info.key.removeprefix(f"{namespace}/runs/").rpartition("/")
        if file != RUN_FILE or other == name:
            continue
        stored = StoredRun(store, namespace, other)
        if holder_of(LocalPaths.of(stored.ref.uid, environment).lock) is None:
            continue
        view = stored.read()
        if view is not None:
            yield claims(view, ())
