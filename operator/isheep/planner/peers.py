"""Peers: runs that need the same stage. The younger run waits and then reuses the result.

Two live runs of a namespace and store never work on one key at the same time. A run that already
works on a key keeps it. Of the runs that only want the key, the oldest one gets it, so two runs
that are planned at the same moment come to the same decision. A run that is suspended, has ended,
or is Stalled without an attempt wants no key, so the next run can continue.

Runs cannot wait for each other in a circle: a run waits only for an older run, or for a run that
is working and needs nothing more to finish.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from isheep.planner.types import Attempt, AttemptState, Peer, RunView

_AT_WORK = (AttemptState.ACTIVE, AttemptState.TERMINATING)


def claims(run: RunView, attempts: Iterable[Attempt]) -> Peer:
    """Return the keys that a run works on and wants, for its peers."""
    at_work = [a for a in attempts if a.state in _AT_WORK]
    working = {step.key for attempt in at_work for step in attempt.steps}
    working |= {attempt.walk.claim for attempt in at_work if attempt.walk is not None}
    status = run.status
    wanted = {r.key for r in status.stages if not r.committed and not (r.hold and r.hold.stalled)}
    reconciling = any(c.type == "Reconciling" for c in status.conditions)
    if run.deleting or not reconciling:
        wanted = set()
    return Peer(run.name, run.uid, run.created, frozenset(working), frozenset(wanted))


def holder(run: RunView, peers: Iterable[Peer], keys: Collection[str]) -> Peer | None:
    """Return the peer that must finish before a run may work on these keys, or None."""
    others = sorted((p for p in peers if p.uid != run.uid), key=lambda p: (p.created, p.uid))
    for peer in others:
        older = (peer.created, peer.uid) < (run.created, run.uid)
        if not peer.working.isdisjoint(keys) or (older and not peer.wanted.isdisjoint(keys)):
            return peer
    return None
