"""Runs that want the same stage: the younger waits, and adopts.

Two live runs of a namespace and store never work on one key at once. Whoever works
on a key keeps it; of those that only want it, the oldest goes first, so that two
that are planned at the same moment agree. A run that is suspended, Stalled without
an attempt or at its end wants nothing: the next one goes on.

Nobody waits in a circle: one waits for a run that works (and needs nothing more to
finish that), or for an older one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from isheep.planner.types import Attempt, AttemptState, Peer, RunView

_AT_WORK = (AttemptState.ACTIVE, AttemptState.TERMINATING)


def claims(run: RunView, attempts: Iterable[Attempt]) -> Peer:
    """Return what a run claims, as its peers are shown it."""
    working = {s.key for a in attempts if a.state in _AT_WORK for s in a.steps}
    status = run.status
    wanted = {r.key for r in status.stages if not r.committed and not (r.hold and r.hold.stalled)}
    reconciling = any(c.type == "Reconciling" for c in status.conditions)
    if run.deleting or not reconciling:
        wanted = set()
    return Peer(run.name, run.uid, run.created, frozenset(working), frozenset(wanted))


def holder(run: RunView, peers: Iterable[Peer], keys: Collection[str]) -> Peer | None:
    """Return the run that has to be waited for before these keys are worked on."""
    others = sorted((p for p in peers if p.uid != run.uid), key=lambda p: (p.created, p.uid))
    for peer in others:
        older = (peer.created, peer.uid) < (run.created, run.uid)
        if not peer.working.isdisjoint(keys) or (older and not peer.wanted.isdisjoint(keys)):
            return peer
    return None
