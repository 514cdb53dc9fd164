"""Writers in separate processes: twelve that race for one key, and one that a test kills.

    racer.py race SPEC put|commit NAME …    one process for each name; prints {name: outcome}
    racer.py flood SPEC                     writes objects until it is killed

The racing processes are forked from one process that has imported all modules. So they are cheap,
and they start within the same millisecond.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import sys
from datetime import UTC, datetime
from typing import Any

from isheep.contract.order import RunRef
from isheep.contract.store_spec import StoreSpec
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep.store.interface import ObjectStore
from isheep.store.manifest import Manifest, StageInfo, Timings


def put(store: ObjectStore, name: str) -> str:
    return store.put("raced", name.encode(), if_absent=True, metadata={"writer": name}).value


def commit(store: ObjectStore, name: str) -> str:
    now = datetime.now(UTC)
    manifest = Manifest(
        key="ab",
        stage=StageInfo(kind="select", version=1, id="i1/select", iteration=1),
        timings=Timings(started_at=now, finished_at=now),
        run=RunRef(namespace="ns", name=name, uid=name),
    )
    return ArtifactStore(store, "ns").commit("ab", manifest).run.name


def race(spec: StoreSpec, verb: str, names: list[str]) -> None:
    forking = multiprocessing.get_context("fork")
    barrier = forking.Barrier(len(names))
    outcomes: Any = forking.Queue()
    store = open_store(spec)  # it has no connection yet, so each child opens its connections

    def racer(name: str) -> None:
        store.head("warm")
        barrier.wait()
        outcomes.put((name, {"put": put, "commit": commit}[verb](store, name)))

    processes = [forking.Process(target=racer, args=(name,), daemon=True) for name in names]
    for process in processes:
        process.start()
    sys.stdout.write(json.dumps(dict(outcomes.get(timeout=60) for _ in names)))


def flood(spec: StoreSpec) -> None:
    store = open_store(spec)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for number in itertools.count():
        body = f"killed {number} ".encode() * 20_000
        metadata = {"sha256": hashlib.sha256(body).hexdigest()}
        store.put(f"flood/a{number}", body, if_absent=True, metadata=metadata)
        store.put(f"flood/b{number % 3}", body, metadata=metadata)
        store.put(f"plain/{number % 3}", body)


if __name__ == "__main__":
    spec = StoreSpec.model_validate_json(sys.argv[2])
    if sys.argv[1] == "race":
        race(spec, sys.argv[3], sys.argv[4:])
    else:
        flood(spec)
