"""Claims: the keys that each run works on and wants, so that two runs never make one stage.

Each pass states the claims of its run right after planning and before its first await, the keys
of its new attempts included. So of two runs that are planned at the same moment, the second one
sees the claims of the first. Peers are the runs of a namespace with the same store. A deleted run
stays a peer while its Jobs run, because the garbage collector deletes them later. If the run was
deleted before this operator started, its store is unknown, and the run is a peer of every run in
its namespace.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from isheep.contract.reasons import Reason
from isheep.contract.store_spec import StoreSpec
from isheep.planner.peers import claims
from isheep.planner.types import Action, Attempt, Peer, RunView, Start

Scope = tuple[str, str | None]
"""A namespace and the identity of a store; None if the store is unknown."""


@dataclass(frozen=True, slots=True)
class _Claim:
    scope: Scope
    peer: Peer
    waits: bool


def scope_of(run: RunView, default_store: StoreSpec | None) -> Scope:
    """Return the scope of a run; `default_store` is the store of runs that name none.

    The spec is read as JSON, because a scope is needed before the spec is validated.
    """
    s3 = (run.spec.get("storage") or {}).get("s3")
    if s3 is None:
        return run.namespace, "" if default_store is None else default_store.model_dump_json()
    place = [s3.get(name) for name in ("endpoint", "region", "bucket", "prefix")]
    return run.namespace, json.dumps(place)


class Claims:
    """The claims of all live runs, by UID."""

    def __init__(self) -> None:
        self._claims: dict[str, _Claim] = {}
        self._scopes: dict[Scope, set[str]] = {}

    def peers(self, scope: Scope, uid: str) -> tuple[Peer, ...]:
        """Return the claims of the other runs of a scope."""
        members = self._scopes.get(scope, set()) | self._scopes.get((scope[0], None), set())
        return tuple(self._claims[other].peer for other in members - {uid})

    def waits(self, uid: str) -> bool:
        """Return whether a run waits for a stage that a peer makes."""
        claim = self._claims.get(uid)
        return claim is not None and claim.waits

    def state(
        self, scope: Scope, run: RunView, attempts: Iterable[Attempt], actions: Iterable[Action]
    ) -> set[str]:
        """State the claims of a run; return the waiting runs that should plan again."""
        peer = claims(run, attempts)
        starts = [action for action in actions if isinstance(action, Start)]
        started = {step.key for start in starts for step in start.order.steps}
        started |= {start.walk.claim for start in starts if start.walk is not None}
        if started:
            peer = replace(peer, working=peer.working | started)
        waits = any(c.reason == Reason.WAITING_FOR_PEER for c in run.status.conditions)
        before = self._claims.get(run.uid)
        freed = _keys(before.peer if before else None) - _keys(peer)
        self._drop(run.uid)
        if peer.working or peer.wanted:
            self._put(_Claim(scope, peer, waits))
        return self._waiting(scope, run.uid) if freed else set()

    def inherit(self, namespace: str, peer: Peer) -> None:
        """State the claims of a run that was deleted before this operator started."""
        self._put(_Claim((namespace, None), peer, waits=False))

    def leave(self, uid: str, working: Collection[str]) -> set[str]:
        """State that a run is deleted; it keeps the keys that its Jobs still work on.

        Return the waiting runs that should plan again.
        """
        claim = self._claims.get(uid)
        left = frozenset() if claim is None else claim.peer.working.intersection(working)
        if claim is None or not left:
            return self._drop(uid)
        peer = replace(claim.peer, working=left, wanted=frozenset())
        self._claims[uid] = replace(claim, peer=peer, waits=False)
        return self._waiting(claim.scope, uid)

    def _put(self, claim: _Claim) -> None:
        self._claims[claim.peer.uid] = claim
        self._scopes.setdefault(claim.scope, set()).add(claim.peer.uid)

    def _drop(self, uid: str) -> set[str]:
        """Remove a run; return the waiting runs that should plan again."""
        claim = self._claims.pop(uid, None)
        if claim is None:
            return set()
        members = self._scopes[claim.scope]
        members.discard(uid)
        if not members:
            del self._scopes[claim.scope]
        return self._waiting(claim.scope, uid)

    def _waiting(self, scope: Scope, uid: str) -> set[str]:
        namespace, store = scope
        scopes = [scope] if store is not None else [s for s in self._scopes if s[0] == namespace]
        members = {member for one in scopes for member in self._scopes.get(one, ())}
        return {other for other in members - {uid} if self._claims[other].waits}


def _keys(peer: Peer | None) -> frozenset[str]:
    return frozenset() if peer is None else peer.working | peer.wanted
