"""An operator's connection to the API server: latency, faults and crash points of each request.

`Connection` replaces the official client's `ApiClient`, which the operator's own client uses for
connections only. So the operator's client runs unchanged. A request takes effect some time after it
is sent, and its answer arrives some time later; the operator can lose the request, the answer, or
its life at both moments.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import aiohttp

from .api_server import Answer, ApiServer, Json, Refused
from .clock import monotonic
from .refusals import QUOTA, REFUSALS, TIMEOUT, Refusal

HOST = "http://api"
WRITES = ("POST", "PUT", "PATCH", "DELETE")
OVERTAKEN_SECONDS = 1.0
"""How long an answer is on its way that a watch overtakes."""


class RequestFault(Enum):
    """What happens to one request of an operator."""

    LOST = "the request is lost"
    ANSWER_LOST = "the answer is lost"
    SLOW = "the answer takes longer than the client waits"
    CRASH_BEFORE = "the operator dies before the request has an effect"
    CRASH_AFTER = "the operator dies after the request has had an effect"
    CONFLICT = "another client changes the object just before"
    EXPIRED = "410: the history is compacted"
    UNAVAILABLE = "503"
    REFUSED = "the object is refused"
    TIMED_OUT = "504, and the object is created"
    OVERTAKEN = "somebody deletes the object, and a watch says so before the answer arrives"


NextFault = Callable[[str, str], RequestFault | None]
"""Returns the fault of the request with this method and URL, if it has one."""


@dataclass(frozen=True)
class Response:
    """A response, as the official client's REST client returns it."""

    answer: Answer

    @property
    def status(self) -> int:
        return self.answer.status

    async def read(self) -> bytes:
        return content_of(self.answer)


def content_of(answer: Answer) -> bytes:
    """Return the body of an answer as JSON; `memo` replaces this function."""
    return answer.content


@dataclass(frozen=True, slots=True)
class Request:
    """A request of an operator that reached the server.

    `operator` is the identity of the operator and `process` the number of its process. `version` is
    that of the server after the request, and `status` that of its effect. `refusal` says why the
    answer refuses to create a Job; the effect of a request that has timed out may be another one.
    `received` is the number of answers that had been received (`History.received`) when the request
    was sent.
    """

    at: float
    operator: str
    process: int
    method: str
    path: str
    body: Any
    status: int
    version: int
    refusal: Refusal | None = None
    received: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """The version of an object in an answer that a process has received."""

    process: int
    uid: str
    version: int


@dataclass
class Network:
    """What is between the operators and the API server; `cut_until` ends a partition."""

    server: ApiServer
    chance: random.Random
    next_fault: NextFault
    touch: Callable[[str], None]
    """Changes an object, as another client does."""
    delete: Callable[[str], None] = lambda path: None
    """Deletes the object of a path, as another client does."""
    cut_until: float = 0.0
    requests: list[Request] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    processes: int = 0

    @property
    def is_cut(self) -> bool:
        return monotonic() < self.cut_until


class Connection:
    """Replaces `ApiClient` of an operator; `die` ends its process at a crash point."""

    def __init__(self, network: Network, operator: str, die: Callable[[], None]) -> None:
        self._network = network
        self._operator = operator
        network.processes += 1
        self._process = network.processes
        self._die = die
        self.is_open = True
        self.cut_until = 0.0
        self.rest_client = self

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Json,
        body: Any,
        _request_timeout: aiohttp.ClientTimeout,
    ) -> Response:
        network, path = self._network, url.removeprefix(HOST)
        fault, known = network.next_fault(method, path), len(network.received)
        cut_until = max(network.cut_until, self.cut_until)
        if monotonic() < cut_until:
            await asyncio.sleep(min(cut_until - monotonic(), _request_timeout.total or 1))
            raise aiohttp.ClientConnectionError("the network is cut")
        await asyncio.sleep(network.chance.uniform(0.001, 0.05))
        if fault is RequestFault.CRASH_BEFORE:
            await self._crash()
        if fault is RequestFault.LOST:
            raise aiohttp.ClientConnectionError("connection reset before the effect")
        if fault is RequestFault.CONFLICT:
            network.touch(path)
        answer = self._effect(method, path, body, fault, known)
        if fault is RequestFault.OVERTAKEN and answer.status < 300:
            network.delete(path)
            await asyncio.sleep(OVERTAKEN_SECONDS)
        await asyncio.sleep(network.chance.uniform(0.001, 0.05))
        if fault is RequestFault.CRASH_AFTER:
            await self._crash()
        if fault is RequestFault.ANSWER_LOST:
            raise aiohttp.ClientConnectionError("connection reset after the effect")
        if fault is RequestFault.SLOW:
            await asyncio.sleep(_request_timeout.total or 1)
            raise TimeoutError
        self._note(answer)
        return Response(answer)

    def _effect(
        self, method: str, path: str, body: Any, fault: RequestFault | None, known: int
    ) -> Answer:
        if fault is RequestFault.UNAVAILABLE:
            return Answer(503, {"message": "etcdserver: leader changed"})
        server = self._network.server
        sent = (self._operator, self._process, method, path, body)
        if fault is RequestFault.REFUSED and method == "POST":
            if not path.partition("?")[0].endswith("/jobs"):
                return QUOTA.answer()
            refusal = REFUSALS[len(self._network.requests) % len(REFUSALS)]
            noted = Request(monotonic(), *sent, refusal.status, server.version, refusal, known)
            self._network.requests.append(noted)
            return refusal.answer()
        if fault is RequestFault.EXPIRED and method == "GET":
            self._network.server.compact()
            return Answer(410, {"reason": "Expired", "message": "too old resource version"})
        answer = server.handle(method, path, body)
        late = TIMEOUT if fault is RequestFault.TIMED_OUT and answer.status < 300 else None
        noted = Request(monotonic(), *sent, answer.status, server.version, late, received=known)
        self._network.requests.append(noted)
        return answer if late is None else late.answer()

    def _note(self, answer: Answer) -> None:
        """Note which version of an object this process knows from now on."""
        metadata = answer.body.get("metadata") or {}
        if answer.status < 300 and "uid" in metadata:
            version = int(metadata["resourceVersion"])
            self._network.received.append(Received(self._process, metadata["uid"], version))

    async def close(self) -> None:
        """Note that it is closed."""
        self.is_open = False

    async def _crash(self) -> None:
        self._die()
        # The death cancels this task at the next line.
        await asyncio.Event().wait()


class Configuration:
    """Replaces the official client's `Configuration`."""

    def __init__(self) -> None:
        self.host = HOST
        self.proxy = "none"
        self.client_session_kwargs: Json = {}

    async def auth_settings(self) -> Json:
        return {}


__all__ = [
    "Configuration",
    "Connection",
    "Network",
    "Received",
    "Refused",
    "Request",
    "RequestFault",
]
