"""The Lease: of two operators in one cluster, only one writes.

A pass takes or renews the Lease right before it writes, and nothing else does. So an idle operator
writes nothing, not even its Lease, and another operator can take the Lease when it has expired.
Before every write the holder checks that the Lease is valid for longer than a write can take. The
Lease of another holder counts as expired when it did not change for its whole duration by our own
clock, so the clocks of two operators need not agree.

A process can be paused at any line (SIGSTOP, a frozen node, a busy CPU), also between this check
and the write. So the client checks the time that is left again when it sends the write (`check`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from isheep.kube.client import TIMEOUT_SECONDS, Api, ApiError, lease_path
from isheep.logs import log_event

MARGIN_SECONDS = TIMEOUT_SECONDS + 1
"""A write that begins now ends within this time."""
SKEW = timedelta(seconds=60)
"""The largest difference between two clocks that is expected."""
READ_SECONDS = 1.0
"""How often an operator that waits for the Lease reads it at most; many passes wait together."""
LOOK_SECONDS = 5.0
"""A pass that waits for the Lease tries again after this time, because a holder may release it."""
RETRY_SECONDS = 0.5
"""The wait before the next try if another process changed the Lease meanwhile."""
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_LOG = logging.getLogger(__name__)


class LeaseHeldError(Exception):
    """This operator may not write now; `seconds` is the time until the next try."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"another operator may hold the Lease; next try in {seconds:.1f} s")
        self.seconds = seconds


class Lease:
    """A Lease that is held only while there is something to write."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        name: str,
        identity: str,
        seconds: int,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        # A holder must be able to renew the Lease long before it expires.
        self._seconds = max(seconds, int(2 * MARGIN_SECONDS))
        self._monotonic = monotonic
        self._now = now
        self._lock = asyncio.Lock()
        self._valid_until = float("-inf")
        self._holds = False
        self._document: dict[str, Any] | None = None
        # Whether the document, or that there is none, was read; and when the answer arrived.
        self._is_known, self._read_at = False, float("-inf")
        self._others_until = float("-inf")
        # Whether a request for the Lease has been sent and its answer is not known.
        self._unanswered = False
        self._seen: tuple[tuple[str, str], float] | None = None
        # While another operator holds the Lease: when to read it next, and when its time ends.
        self._next_read, self._free_at = float("-inf"), float("-inf")

    @property
    def is_held(self) -> bool:
        """Whether this operator holds the Lease now; an idle operator lets it expire."""
        return self._holds and self._monotonic() < self._valid_until

    @property
    def uid(self) -> str | None:
        """The UID of the Lease, which no other installation has; None before the first write."""
        return None if self._document is None else str(self._document["metadata"]["uid"])

    @property
    def others_until(self) -> float:
        """Until when another operator may have written, in monotonic seconds.

        It is -inf if this process has taken the Lease from nobody. It changes only if the process
        takes the Lease from another one, or takes a free Lease: then nobody else has held the Lease
        since this process has read it.
        """
        return self._others_until

    async def look(self) -> None:
        """Read the Lease, so that `others_until` is before what follows if the Lease is free.

        Raises:
            ApiError: The API server does not allow to read the Lease.
            ApiUnreachableError: The API server does not answer.
        """
        async with self._lock:
            await self._known()

    async def ensure(self) -> float:
        """Hold the Lease for long enough for a write.

        Returns:
            0.0 if this operator holds the Lease, or else the seconds until the next try.

        Raises:
            ApiError: The API server does not allow to write the Lease.
            ApiUnreachableError: The API server does not answer.
        """
        async with self._lock:
            now = self._monotonic()
            if self._valid_until - now > max(MARGIN_SECONDS, self._seconds / 2):
                return 0.0
            if now < self._next_read:
                return max(self._free_at, self._next_read) - now
            try:
                return await self._take()
            except ApiError as error:
                self._unanswered = False
                if error.status not in (404, 409):
                    raise
                # Another operator was faster, or somebody deleted the Lease.
                self._forget()
                return RETRY_SECONDS

    def check(self) -> None:
        """Check that a write that begins now ends before the Lease expires.

        Raises:
            LeaseHeldError: Too much time has passed since `ensure`.
        """
        if self._valid_until - self._monotonic() < TIMEOUT_SECONDS:
            raise LeaseHeldError(RETRY_SECONDS)

    async def release(self) -> None:
        """Release the Lease if it is ours, so that another operator can take it at once.

        A request for the Lease that was cancelled may have taken it. Then the Lease is read first.
        """
        async with self._lock:
            if self._valid_until < self._monotonic() and not self._unanswered:
                return
            self._valid_until = float("-inf")
            if self._unanswered or self._document is None:
                self._document = await self._read()
            try:
                released = await self._released()
            except ApiError as error:
                if error.status != 409:
                    raise
                # Somebody has changed the Lease: another operator, or a person its labels.
                self._document = await self._read()
                released = await self._released()
            self._holds = False
            if released:
                self._log(logging.INFO, "Lease released")

    async def _released(self) -> bool:
        """Write that nobody holds the Lease; return False if it is not ours."""
        if self._document is None:
            return False
        spec = _spec_of(self._document)
        if spec.get("holderIdentity") != self._identity:
            return False
        path = lease_path(self._namespace, self._name)
        document = {**self._document, "spec": {**spec, "holderIdentity": ""}}
        self._document = await self._api.replace(path, document)
        return True

    async def _take(self) -> float:
        found = await self._known()
        if found is None:
            asked = self._asked()
            self._others_until = self._read_at
            made = await self._api.create(lease_path(self._namespace), self._new())
            return self._taken(made, asked)
        wait = self._held_by_another(_spec_of(found))
        if wait > 0:
            self._lost(str(_spec_of(found).get("holderIdentity")))
            # The next try must read the Lease again.
            self._forget()
            now = self._monotonic()
            self._next_read, self._free_at = now + min(wait, READ_SECONDS), now + wait
            return wait
        asked = self._asked()
        holder = _spec_of(found).get("holderIdentity") or ""
        if holder != self._identity:
            # Before the answer, which may be lost. A free Lease that somebody has changed since it
            # was read cannot be taken.
            self._others_until = asked if holder else self._read_at
        path = lease_path(self._namespace, self._name)
        answer = await self._api.replace(path, {**found, "spec": self._spec()})
        return self._taken(answer, asked)

    async def _known(self) -> dict[str, Any] | None:
        """Return the Lease as this process knows it, None if there is none; read it if needed."""
        if not self._is_known:
            self._document = await self._read()
            self._is_known, self._read_at = True, self._monotonic()
        return self._document

    def _forget(self) -> None:
        """Forget the Lease, because it has changed."""
        self._document, self._is_known = None, False

    def _asked(self) -> float:
        """Note that a request for the Lease is sent now, and return the time."""
        self._unanswered = True
        return self._monotonic()

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._api.get(lease_path(self._namespace, self._name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _held_by_another(self, spec: dict[str, Any]) -> float:
        """Return the seconds for which another operator may hold the Lease; 0.0 if none does."""
        holder = spec.get("holderIdentity") or ""
        if holder in ("", self._identity):
            return 0.0
        seconds = float(spec.get("leaseDurationSeconds") or self._seconds)
        renewed = spec.get("renewTime") or ""
        if renewed and _parsed(renewed) + timedelta(seconds=seconds) + SKEW < self._now():
            return 0.0
        if self._seen is None or self._seen[0] != (holder, renewed):
            self._seen = ((holder, renewed), self._monotonic())
        return max(0.0, self._seen[1] + seconds - self._monotonic())

    def _taken(self, document: dict[str, Any], asked: float) -> float:
        self._document, self._is_known, self._unanswered = document, True, False
        # Other operators count from the write, which can be long before the answer arrives.
        self._valid_until = asked + self._seconds
        if not self._holds:
            self._holds = True
            self._log(logging.INFO, "Lease taken")
        return 0.0

    def _lost(self, holder: str) -> None:
        if self._holds:
            self._holds = False
            self._log(logging.WARNING, "Lease lost", holder=holder)

    def _log(self, level: int, message: str, **fields: object) -> None:
        log_event(
            _LOG,
            level,
            message,
            lease=f"{self._namespace}/{self._name}",
            **fields,
            identity=self._identity,
        )

    def _new(self) -> dict[str, Any]:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._spec(),
        }

    def _spec(self) -> dict[str, Any]:
        before = _spec_of(self._document) if self._document is not None else {}
        now = self._now().astimezone(UTC).strftime(_TIME)
        mine = before.get("holderIdentity") == self._identity
        transitions = int(before.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._seconds,
            "acquireTime": before.get("acquireTime", now) if mine else now,
            "renewTime": now,
            "leaseTransitions": transitions if mine or not before else transitions + 1,
        }


def _spec_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a Lease; a Lease without a holder may have none."""
    return document.get("spec") or {}


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text)
