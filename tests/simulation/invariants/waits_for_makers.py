"""A run waits only for a peer that makes the stage, or that will make it (docs/architecture.md).

The message of WaitingForPeer names the peer. This peer exists, and it has not left the iteration of
the stage behind: a run that has made all data of an iteration makes none of its stages again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from isheep.contract.reasons import Reason
from isheep.contract.stage_ids import iteration_of

from ..api_server import RUNS, Json
from ..history import History
from .disturbances import Calm, calm_times
from .job_states import ready_reason

SECONDS = 45.0
"""A run that waits looks again after 30 seconds, even if nobody wakes it."""
PEER = re.compile(r"(\S+): the run (\S+) executes this stage")
"""The message has the stage and the name of the peer."""
LATER = ("train", "merge", "report")
"""The stages after all data of an iteration."""


def violations(history: History) -> list[str]:
    """Return the runs that have waited too long for a peer that does not make their stage."""
    return list(_wrong(history, calm_times(history)))


def _wrong(history: History, calm: Calm) -> Iterator[str]:
    runs: dict[str, Json] = {}
    since: dict[str, float] = {}
    for change in history.changes:
        if change.resource != RUNS:
            continue
        uid = change.document["metadata"]["uid"]
        runs[uid] = change.document
        if change.kind == "DELETED":
            runs.pop(uid)
        by_name = {run["metadata"]["name"]: run for run in runs.values()}
        for waiting, run in runs.items():
            begin = since.pop(waiting, None)
            why = _why(run, by_name)
            if begin is not None and change.at > calm.after(begin, SECONDS):
                late = f"{change.at - begin:.0f} s"
                yield f"{run['metadata']['name']} has waited for {late} for a run that is further"
            elif why:
                since[waiting] = change.at if begin is None else begin


def _why(run: Json, by_name: dict[str, Json]) -> bool:
    """Return whether a run waits for a peer that has passed its stage."""
    if ready_reason(run) != Reason.WAITING_FOR_PEER:
        return False
    status = run["status"]
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    named = PEER.search(ready["message"])
    if named is None:
        return False
    stage, peer = named[1], by_name.get(named[2])
    return peer is not None and _has_passed(peer, iteration_of(stage))


def _has_passed(peer: Json, iteration: int) -> bool:
    status = peer.get("status") or {}
    if status.get("observedGeneration") != peer["metadata"]["generation"]:
        return False
    stages = status.get("stages") or ()
    own = [s for s in stages if iteration_of(s["id"]) == iteration]
    done = [s["id"].split("/")[-1] for s in own if s.get("committed")]
    return any(kind in LATER for kind in done) and all(s.get("committed") for s in own)
