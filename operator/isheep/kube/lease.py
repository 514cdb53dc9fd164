"""The Lease: of two operators in one cluster, only one writes.

A pass takes or renews the Lease right before it writes, and nothing else does. So an idle operator
writes nothing, not even its Lease, and another operator can take the Lease when it has expired.
Before every write the holder checks that the Lease is valid for longer than a write can take. The
Lease of another holder counts as expired when it did not change for its whole duration by our own
clock, so the clocks of two operators need not agree.
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
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_LOG = logging.getLogger(__name__)


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
        self._seen: tuple[tuple[str, str], float] | None = None

    @property
    def is_held(self) -> bool:
        """Whether this operator holds the Lease now; an idle operator lets it expire."""
        return self._holds and self._monotonic() < self._valid_until

    async def ensure(self) -> float:
        """Hold the Lease for long enough for a write.

        Returns:
            0.0 if this operator holds the Lease, or else the seconds until the next try.

        Raises:
            ApiError: The API server does not allow to write the Lease.
            ApiUnreachableError: The API server does not answer.
        """
        async with self._lock:
            left = self._valid_until - self._monotonic()
            if left > max(MARGIN_SECONDS, self._seconds / 2):
                return 0.0
            try:
                return await self._take()
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                # Another operator was faster, or somebody deleted the Lease.
                self._document = None
                return 0.5

    async def release(self) -> None:
        """Release the Lease, so that another operator can take it at once."""
        async with self._lock:
            if self._document is None or self._valid_until < self._monotonic():
                return
            self._valid_until = float("-inf")
            spec = {**_spec_of(self._document), "holderIdentity": ""}
            path = lease_path(self._namespace, self._name)
            await self._api.replace(path, {**self._document, "spec": spec})
            self._holds = False
            self._log(logging.INFO, "Lease released")

    async def _take(self) -> float:
        if self._document is None:
            found = await self._read()
            if found is None:
                asked = self._monotonic()
                made = await self._api.create(lease_path(self._namespace), self._new())
                return self._taken(made, asked)
            self._document = found
        wait = self._held_by_another(_spec_of(self._document))
        if wait > 0:
            self._lost(str(_spec_of(self._document).get("holderIdentity")))
            # The next try must read the Lease again.
            self._document = None
            return wait
        asked = self._monotonic()
        path = lease_path(self._namespace, self._name)
        answer = await self._api.replace(path, {**self._document, "spec": self._spec()})
        return self._taken(answer, asked)

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
        self._document = document
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
