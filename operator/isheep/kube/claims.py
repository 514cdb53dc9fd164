"""What runs claim, so that two never make the same stage at once.

Each pass states what its run works on and wants right after planning and before it
awaits anything, Starts included: of two runs that are planned at the same moment the
second one sees the first one's claim. Peers are the runs of a namespace with the same
store. A run that is gone stays one while its Jobs are at work: the garbage collector
comes to them after it. Where it was gone before this operator came, nothing says which
store was its own, and it is a peer of all in its namespace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from isheep.contract.reasons import Reason
from isheep.planner.peers import claims
from isheep.planner.types import Action, Attempt, Peer, RunView, Start

Scope = tuple[str, str | None]
"""A namespace and a store in it; None where nobody knows any more which one."""


@dataclass(frozen=True, slots=True)
class _Claim:
    scope: Scope
    peer: Peer
    waits: bool


class Claims:
    """The claims of all live runs, by UID."""

    def __init__(self) -> None:
        self._claims: dict[str, _Claim] = {}
        self._scopes: dict[Scope, set[str]] = {}

    def peers(self, scope: Scope, uid: str) -> tuple[Peer, ...]:
        """Return what the other runs of a scope claim."""
        members = self._scopes.get(scope, set()) | self._scopes.get((scope[0], None), set())
        return tuple(self._claims[other].peer for other in members - {uid})

    def waits(self, uid: str) -> bool:
        """Return whether a run waits for what another one makes."""
        claim = self._claims.get(uid)
        return claim is not None and claim.waits

    def state(
        self, scope: Scope, run: RunView, attempts: Iterable[Attempt], actions: Iterable[Action]
    ) -> set[str]:
        """State what a run claims now; returns the waiting runs that should look again."""
        peer = claims(run, attempts)
        started = {s.key for a in actions if isinstance(a, Start) for s in a.order.steps}
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
        """State on what the Jobs of a run still work that was gone before this operator came."""
        self._put(_Claim((namespace, None), peer, waits=False))

    def leave(self, uid: str, working: Collection[str]) -> set[str]:
        """State that a run is gone, but for the keys on which its Jobs still work.

        Returns the waiting runs that should look again.
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
        """Remove a run; returns the waiting runs that should look again."""
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
