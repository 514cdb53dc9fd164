"""The Lease: of two operators in one cluster, one writes.

It is taken and renewed on demand, by the pass that is about to write, and by nobody
else: an operator with nothing to do writes nothing, not even its Lease, and another may
take over once it has run out. Before every write the holder makes sure that the Lease
is valid for longer than a write may take. Another's Lease counts as run out when it was
seen unchanged for its whole duration by our own clock, so clocks need not agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from isheep.kube.client import TIMEOUT_SECONDS, Api, ApiError, lease_path

MARGIN_SECONDS = TIMEOUT_SECONDS + 1
"""A write that begins now is over within this time."""
SKEW = timedelta(seconds=60)
"""Clocks that differ by more than this have other troubles."""
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Lease:
    """A Lease that is held while there is something to write."""

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
        # A holder must be able to renew long before it loses it.
        self._seconds = max(seconds, int(2 * MARGIN_SECONDS))
        self._monotonic = monotonic
        self._now = now
        self._lock = asyncio.Lock()
        self._valid_until = float("-inf")
        self._document: dict[str, Any] | None = None
        self._seen: tuple[tuple[str, str], float] | None = None

    async def ensure(self) -> float:
        """Hold the Lease for long enough for a write; returns 0.0, or in how many seconds to ask.

        Raises `ApiError` where it may not be written, `ApiUnreachableError`.
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
                # Somebody else was quicker, or removed it.
                self._document = None
                return 0.5

    async def release(self) -> None:
        """Let another operator have it at once."""
        async with self._lock:
            if self._document is None or self._valid_until < self._monotonic():
                return
            self._valid_until = float("-inf")
            spec = {**_spec_of(self._document), "holderIdentity": ""}
            path = lease_path(self._namespace, self._name)
            await self._api.replace(path, {**self._document, "spec": spec})

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
            # What it says next is read anew.
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
        """Return the seconds for which another holds it as far as can be known; 0.0 if none."""
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
        # Others count from when it took effect, which may be long before the answer.
        self._valid_until = asked + self._seconds
        return 0.0

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
    """Return a Lease's spec; one that nobody has held yet may have none."""
    return document.get("spec") or {}


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text)
