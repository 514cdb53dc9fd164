"""A run waits only for a peer that makes the same stage, or that makes it first.

docs/architecture.md (The workers, Failures) has the rule, and docs/decisions/0021 that for the Job
of a whole run. A peer is in the way if its Job can come to a stage to which the next Job of the run
would come, too (`job_reach`). So is a Job that begins with data of the iteration, because the
other Jobs of the iteration claim the key of this stage. An older peer is also in the way if it
still wants such a stage. When no peer is in the way, the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from isheep.contract.reasons import Reason
from isheep.recipes.stage_kinds import JobRole

from ..api_server import JOBS, RUNS, Json
from ..history import History
from ..job_controller import is_finished
from .disturbances import calm_times
from .job_reach import Reach, Slot, Stages, common, grouping_of, is_same, reach_from, reach_of
from .job_states import ready_reason

SECONDS = 8.0
"""How long a run needs at most to go on, as in `reacts`."""
WANTS = ("Pending", "Running", None)
"""The phases of a run that wants its stages."""


def violations(history: History) -> list[str]:
    """Return the runs that wait for a peer although no peer is in the way."""
    return list(_needless(history)) if history.created > 1 else []


def _needless(history: History) -> Iterator[str]:
    calm = calm_times(history)
    runs: dict[str, Stages] = {}
    jobs: dict[str, tuple[str, Reach]] = {}
    since: dict[str, float] = {}
    waiting: set[str] = set()
    for change in history.changes:
        if change.resource not in (RUNS, JOBS):
            continue
        uid = change.document["metadata"]["uid"]
        if change.resource == RUNS:
            runs[uid] = Stages(change.document)
            is_waiting = ready_reason(change.document) == Reason.WAITING_FOR_PEER
            (waiting.add if is_waiting else waiting.discard)(uid)
            if change.kind == "DELETED":
                del runs[uid]
                waiting.discard(uid)
        elif change.kind == "DELETED" or is_finished(change.document):
            jobs.pop(uid, None)
        elif uid not in jobs:
            owner = change.document["metadata"]["ownerReferences"][0]["uid"]
            jobs[uid] = owner, reach_of(change.document)
        for one in {*waiting, *since}:
            begin = since.pop(one, None)
            if begin is not None and change.at > calm.after(begin, SECONDS):
                yield f"{one} has waited for {change.at - begin:.0f} s, and no peer is in the way"
            elif one in waiting and not _is_in_the_way(one, runs, jobs):
                since[one] = change.at if begin is None else begin


def _is_in_the_way(
    uid: str, runs: Mapping[str, Stages], jobs: Mapping[str, tuple[str, Reach]]
) -> bool:
    """Return whether a peer is in the way of a run."""
    run, last = runs[uid], int(runs[uid].run["spec"]["iterations"])
    grouping = grouping_of(run.run["spec"])
    own = [reach_from(stage, key, grouping) for stage, key in run.left]
    keys = _keys(run)
    for owner, reach in jobs.values():
        peer = runs.get(owner)
        if peer is None:
            # The run is deleted, and nobody may know its settings any more.
            return True
        if owner == uid:
            continue
        walked = [slot for slot in _begins(run) if reach.key is None and slot in reach.slots]
        named = {reach.key, reach.claim} & keys
        if named or any(is_same(slot, run, peer) for slot in walked):
            return True
        slots = (slot for one in own for slot in common(one, reach, last))
        if any(is_same(slot, run, peer) or _may_come(reach, slot, peer) for slot in slots):
            return True
    older = (peer for peer in runs.values() if _age(peer.run) < _age(run.run))
    return any(_wants(peer, run) for peer in older)


def _may_come(reach: Reach, slot: Slot, peer: Stages) -> bool:
    """Return whether the Job of a whole run may come to a stage whose key nobody knows yet.

    Runs with other settings of training have the same stages in the first iteration.
    """
    return reach.whole and slot[0] == 1 and slot not in peer.first


def _wants(peer: Stages, run: Stages) -> bool:
    """Return whether a peer wants a stage that a run wants, or the first one of its iteration."""
    status = peer.run.get("status") or {}
    if status.get("phase") not in WANTS or ready_reason(peer.run) == Reason.RUN_LIMIT:
        return False
    keys = _keys(run)
    return any(key in keys for _, key in peer.left)


def _begins(run: Stages) -> list[Slot]:
    """Return the begins of the iterations in which an engine must still make something."""
    return [(iteration, str(JobRole.GENERATION)) for iteration in run.open]


def _keys(run: Stages) -> set[str]:
    """Return the keys that a run wants, and the first one of each open iteration."""
    firsts = {run.first[slot] for slot in _begins(run) if slot in run.first}
    return firsts | {key for _, key in run.left}


def _age(run: Json) -> tuple[str, str]:
    return run["metadata"]["creationTimestamp"], run["metadata"]["uid"]
