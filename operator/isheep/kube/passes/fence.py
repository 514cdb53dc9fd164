"""The fence in front of each write: the Lease, and a cache that is as new as the Lease.

The watches of an operator can be late or silent. An operator that takes the Lease from another one
would then plan with a cache that lacks the last Jobs of the other one, and create Jobs beside them.
So it lists again before its first write, and all passes that have begun before that end without a
write and plan again.

An operator that has always held the Lease needs no LIST, because the answers to its own writes are
in its cache. Nor does an operator that has just started: it reads the Lease before its first LIST,
and nobody can have held a Lease that has not changed since (`Lease.others_until`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from isheep.kube.lease import Lease, LeaseHeldError

Renew = Callable[[float], Awaitable[int]]
"""Lists again what was listed before a time, and returns the number of LISTs (`Lister.renew`)."""


class OutdatedPassError(LeaseHeldError):
    """The pass has planned with a cache that lacks something, so it ends and plans again.

    It has read the cache before the operator took the Lease and listed again, or before a Job of
    its run has disappeared, which may go on without its labels (`unseen_jobs`).
    """

    def __init__(self) -> None:
        super().__init__(0.0)


class Fence:
    """Lets a pass write if its operator holds the Lease, and if the pass has read a new cache."""

    def __init__(self, lease: Lease, renew: Renew) -> None:
        self._lease = lease
        self._renew = renew
        self._lock = asyncio.Lock()
        self._renewed = float("-inf")
        self.epoch = 0
        """How often the operator has listed again; a pass notes it when it reads the cache."""

    async def enter(self, epoch: int) -> None:
        """Hold the Lease for long enough for a write of a pass that has begun in an epoch.

        Raises:
            LeaseHeldError: Another operator may hold the Lease.
            OutdatedPassError: The pass must plan again.
            ApiError: The API server does not allow to write the Lease.
            ApiUnreachableError: The API server does not answer.
        """
        wait = await self._lease.ensure()
        if wait > 0:
            raise LeaseHeldError(wait)
        async with self._lock:
            since = self._lease.others_until
            if since > self._renewed:
                self.epoch += await self._renew(since)
                self._renewed = since
        if epoch != self.epoch:
            raise OutdatedPassError
