"""Claims: the keys that each run works on and wants, so that two runs never make one stage.

Each pass states the claims of its run right after planning and before its first await, the keys
of its new attempts included. So of two runs that are planned at the same moment, the second one
sees the claims of the first. Peers are the runs of a namespace with the same store. A deleted run
stays a peer while its Jobs run, because the garbage collector deletes them later, or until they
count as lost (`left_jobs`). If the run was deleted before this operator started, its store is
unknown, and the run is a peer of every run in its namespace.

Peers compare the stages that their attempts may reach only if one of them has a Job of a whole run
(`planner.reach`). To save time, claims contain these stages only if there is such a run in the
scope. A run of that kind waits until the others have stated them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from isheep.contract.reasons import Reason
from isheep.contract.store_spec import StoreSpec
from isheep.planner.peers import claims, is_prepared_again
from isheep.planner.types import NOWHERE, Action, Attempt, Peer, RunView, Start

Scope = tuple[str, str | None]
"""A namespace and the identity of a store; None if the store is unknown."""


@dataclass(frozen=True, slots=True)
class _Claim:
    scope: Scope
    peer: Peer
    waits: bool
    whole: bool = False


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
        attempts = list(attempts)
        starts = [action for action in actions if isinstance(action, Start)]
        whole = (run.spec.get("compute") or {}).get("jobs") == "Run"
        known = whole or any(self._claims[uid].whole for uid in self._scopes.get(scope, ()))
        peer = claims(run, attempts, starts, reaches=known)
        waits = any(c.reason == Reason.WAITING_FOR_PEER for c in run.status.conditions)
        before = self._claims.get(run.uid)
        was = before.peer if before else None
        if was is not None and is_prepared_again(run, attempts):
            reach = peer.reach if was.reach is None else was.reach
            peer = replace(peer, working=peer.working | was.working, reach=reach)
        freed = _keys(was) - _keys(peer) or (was is not None and was.reach is None and known)
        closed = peer.beside | peer.inside
        freed = freed or (was is not None and (was.beside | was.inside) - closed)
        # An older run need not wait for a stage that this run only wants now, after a failure.
        freed = freed or (was is not None and was.working - peer.working)
        self._drop(run.uid)
        # A run that is ready after a hold wants no key, and may wait for one all the same.
        if peer.working or peer.wanted or waits:
            self._put(_Claim(scope, peer, waits, whole))
        woken = self._waiting(scope, run.uid) if freed else set()
        return woken | self._silent(scope) if whole else woken

    def inherit(self, namespace: str, peer: Peer) -> None:
        """State the claims of a run that was deleted before this operator started."""
        self._put(_Claim((namespace, None), replace(peer, reach=None), waits=False))

    def leave(self, uid: str, working: Collection[str], *, walks: bool = False) -> set[str]:
        """State that a run is deleted; it keeps the keys that its Jobs still work on.

        Args:
            uid: The run.
            working: The keys in the records of its Jobs.
            walks: Whether one of the Jobs walks on to other keys. Then all of its claim stays.

        Returns:
            The waiting runs that should plan again.
        """
        claim = self._claims.get(uid)
        claimed = frozenset[str]() if claim is None else claim.peer.working
        left = claimed if walks else claimed.intersection(working)
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

    def _silent(self, scope: Scope) -> set[str]:
        """Return the runs that work and have not stated which stages they may reach."""
        members = self._scopes.get(scope, ())
        peers = (self._claims[uid].peer for uid in members)
        return {peer.uid for peer in peers if peer.reach is None and peer.working}

    def _waiting(self, scope: Scope, uid: str) -> set[str]:
        namespace, store = scope
        scopes = [scope] if store is not None else [s for s in self._scopes if s[0] == namespace]
        members = {member for one in scopes for member in self._scopes.get(one, ())}
        return {other for other in members - {uid} if self._claims[other].waits}


def _keys(peer: Peer | None) -> frozenset[str]:
    if peer is None:
        return frozenset()
    reach = peer.reach or NOWHERE
    return peer.working | peer.wanted | reach.walking | reach.alone
