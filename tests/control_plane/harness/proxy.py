"""The network between the operator and the API server.

The operator sends plain HTTP to the proxy. The proxy sends TLS to the API server, with the
token of the operator's service account. It records every request with the status of the
response. On demand it refuses connections, cuts watches, delays requests, rejects requests
itself, and calls a function after each write.

Each operator process has its own generation: a port, the recorded requests, and the faults
that a test has set. A request that a killed process has sent can reach the API server
after the next process has started, as on a real network. Such a request belongs to its own
generation: it is not counted as a write of the new process, and it triggers no call, no
delay and no rejection that a test has set for the new process.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from .api import ApiServer
from .background import Background
from .ports import free_port
from .servers import kubeconfig_of

WRITES = ("POST", "PUT", "PATCH", "DELETE")
HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive", "host")
EXPIRED = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "too old resource version: 1 (2)",
    "reason": "Expired",
    "code": 410,
}


@dataclass
class Recorded:
    """One request of the operator; `status` is 0 until the proxy has the response."""

    generation: int
    method: str
    path: str
    query: dict[str, str]
    body: Any
    at: float = field(default_factory=time.monotonic)
    status: int = 0
    answer: Any = None

    @property
    def is_write(self) -> bool:
        return self.method in WRITES

    @property
    def is_counted_write(self) -> bool:
        """Whether this is a write of anything but the Lease."""
        return self.is_write and self.resource != "leases"

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") in ("true", "1", "True")

    @property
    def resource(self) -> str:
        """The requested plural with its subresource, for example `jobs` or `pods/status`."""
        found = re.match(r"^/apis?/(?:[^/]+/)?v[^/]+/(?:namespaces/[^/]+/)?(.+)$", self.path)
        parts = found[1].split("/") if found else [self.path]
        return "/".join([parts[0], *parts[2:]])

    def __str__(self) -> str:
        return f"process {self.generation}: {self.method} {self.path} -> {self.status}"


@dataclass
class Rejection:
    """A response that the proxy gives itself, `times` times."""

    method: str
    path: str
    status: int
    body: Any
    times: int

    def matches(self, request: Recorded) -> bool:
        wanted = self.method == request.method
        return self.times > 0 and wanted and re.search(self.path, request.path) is not None


@dataclass(frozen=True)
class WriteHook:
    """A function that the proxy calls for each write except those of the Lease.

    If `early`, the proxy calls the function before it returns the response to the operator.
    An operator that the function kills then receives no response. With a resource, the proxy calls
    the function for the writes of this resource only, also for those of the Lease.
    """

    call: Callable[[Recorded], None]
    early: bool = False
    resource: str | None = None

    def matches(self, request: Recorded) -> bool:
        if self.resource is None:
            return request.is_counted_write
        return request.is_write and request.resource == self.resource


SILENCE_SECONDS = 0.1
"""How often a silent watch looks whether it may go on."""


@dataclass
class Generation:
    """The requests of one operator process, and the faults that a test has set for it."""

    number: int
    port: int
    hook: WriteHook | None = None
    requests: list[Recorded] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    delay_seconds: float = 0.0
    expired_before: int = 0
    silent: bool = False
    watches: set[asyncio.Task[Any]] = field(default_factory=set)
    web: web.Server | None = None
    listener: asyncio.Server | None = None


class Proxy:
    """A proxy for one operator, with one generation for each of its processes."""

    def __init__(self, server: ApiServer, token: str, background: Background) -> None:
        self._server = server
        self._token = token
        self._background = background
        self._generations = [Generation(0, 0)]
        self._next_hook: WriteHook | None = None
        self._is_down = False

    # What tests call.

    def start(self) -> None:
        self._background.run(self._open())

    def stop(self) -> None:
        self._background.run(self._close())

    def connect(self) -> dict[str, Any]:
        """Begin the generation of a new operator process, and return its kubeconfig."""
        self._background.run(self._begin())
        return kubeconfig_of({"server": f"http://127.0.0.1:{self._current.port}"}, {})

    def on_write_of_next_process(
        self, call: Callable[[Recorded], None], *, early: bool = False, resource: str | None = None
    ) -> None:
        """Call a function for each write of the process that starts next, and of no other."""
        self._next_hook = WriteHook(call, early, resource)

    @property
    def requests(self) -> list[Recorded]:
        """The requests of the present process."""
        return self._current.requests

    def all_requests(self) -> list[Recorded]:
        """Return the requests of all processes, in the order in which the processes started."""
        return [one for generation in self._generations for one in list(generation.requests)]

    def writes(self, resource: str | None = None) -> list[Recorded]:
        """Return the writes of the present process, of one resource if given, without Leases."""
        return [
            one
            for one in list(self.requests)
            if one.is_counted_write and resource in (None, one.resource)
        ]

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Refuse all connections within the context, as if there were no API server."""
        self._background.run(self._begin_outage())
        try:
            yield
        finally:
            self._background.run(self._end_outage())

    def cut_watches(self) -> None:
        """End all watches of the present process."""
        self._background.run(self._cut_watches(self._current))

    def silence_watches(self, *, silent: bool = True) -> None:
        """Hold back what the watches of the present process report, or send it now."""
        self._current.silent = silent

    def expire_before(self, version: int) -> None:
        """Reject watches that resume before a resource version, as after a compaction."""
        self._current.expired_before = version

    def delay(self, seconds: float) -> None:
        """Delay each further request of the present process."""
        self._current.delay_seconds = seconds

    def reject(
        self, method: str, path: str, status: int, body: Any = None, times: int = 10**6
    ) -> Rejection:
        """Respond to matching requests of the present process with a status of the proxy.

        Args:
            method: The HTTP method.
            path: A regular expression that is searched in the path.
            status: The status of the response.
            body: The body of the response; a bare Status object if None.
            times: The number of requests to reject.
        """
        rejection = Rejection(
            method, path, status, body or {"kind": "Status", "code": status}, times
        )
        self._current.rejections.append(rejection)
        return rejection

    def clear_faults(self) -> None:
        """Remove all rejections and delays of the present process."""
        self._current.rejections.clear()
        self._current.delay_seconds = 0.0

    # How the proxy works; all of it runs on the background's loop.

    @property
    def _current(self) -> Generation:
        return self._generations[-1]

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession(
            self._server.url,
            connector=aiohttp.TCPConnector(ssl=self._server.tls(), limit=0),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def _close(self) -> None:
        for generation in self._generations:
            await self._refuse_connections(generation)
            if generation.web is not None:
                await generation.web.shutdown(0.1)
        await self._session.close()

    async def _begin(self) -> None:
        earlier = self._current
        if earlier.listener is not None:
            earlier.listener.close()
        # Requests that were already received are still forwarded; only their watches end.
        await self._cut_watches(earlier)
        generation = Generation(earlier.number + 1, free_port(), self._next_hook)
        self._next_hook = None
        handle = functools.partial(self._handle, generation)
        generation.web = web.Server(handle, access_log=None)
        self._generations.append(generation)
        if not self._is_down:
            await self._listen(generation)

    async def _listen(self, generation: Generation) -> None:
        loop = asyncio.get_running_loop()
        assert generation.web is not None
        generation.listener = await loop.create_server(generation.web, "127.0.0.1", generation.port)

    async def _begin_outage(self) -> None:
        self._is_down = True
        await self._refuse_connections(self._current)

    async def _end_outage(self) -> None:
        self._is_down = False
        if self._current.web is not None:
            await self._listen(self._current)

    async def _refuse_connections(self, generation: Generation) -> None:
        if generation.listener is not None:
            generation.listener.close()
        for connection in list(generation.web.connections if generation.web else ()):
            if connection.transport is not None:
                connection.transport.abort()

    async def _cut_watches(self, generation: Generation) -> None:
        for task in list(generation.watches):
            task.cancel()

    async def _handle(self, generation: Generation, request: web.BaseRequest) -> web.StreamResponse:
        sent = await request.read()
        recorded = Recorded(
            generation.number, request.method, request.path, dict(request.query), _parsed(sent)
        )
        generation.requests.append(recorded)
        if generation.delay_seconds:
            await asyncio.sleep(generation.delay_seconds)
        if recorded.is_watch:
            return await self._watch(generation, request, recorded)
        rejection = next((r for r in generation.rejections if r.matches(recorded)), None)
        if rejection is not None:
            rejection.times -= 1
            recorded.status = rejection.status
            return web.json_response(rejection.body, status=rejection.status)
        return await self._forward(generation, request, sent, recorded)

    def _sent_on(self, request: web.BaseRequest, sent: bytes | None = None) -> Any:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        headers["Authorization"] = f"Bearer {self._token}"
        return self._session.request(
            request.method, request.raw_path, data=sent or None, headers=headers
        )

    async def _forward(
        self, generation: Generation, request: web.BaseRequest, sent: bytes, recorded: Recorded
    ) -> web.StreamResponse:
        try:
            async with self._sent_on(request, sent) as answer:
                body = await answer.read()
        except aiohttp.ClientError:
            # The API server restarts.
            recorded.status = web.HTTPBadGateway.status_code
            raise web.HTTPBadGateway from None
        recorded.status = answer.status
        if recorded.is_write or answer.status >= 400:
            recorded.answer = _parsed(body)
        self._call_hook(generation, recorded, early=True)
        response = web.Response(status=answer.status, body=body, headers=_kept(answer.headers))
        with contextlib.suppress(ConnectionError):
            # A killed process reads no response. Its write counts nevertheless.
            await response.prepare(request)
            await response.write_eof()
        self._call_hook(generation, recorded, early=False)
        return response

    def _call_hook(self, generation: Generation, recorded: Recorded, *, early: bool) -> None:
        hook = generation.hook
        if hook is None or hook.early != early or not hook.matches(recorded):
            return
        # The hook acts on the present process. The process of a late request is dead.
        if generation is self._current:
            hook.call(recorded)

    async def _watch(
        self, generation: Generation, request: web.BaseRequest, recorded: Recorded
    ) -> web.StreamResponse:
        oldest = generation.expired_before
        if int(recorded.query.get("resourceVersion") or oldest) < oldest:
            recorded.status = 200
            return web.json_response({"type": "ERROR", "object": EXPIRED})
        task = asyncio.current_task()
        assert task is not None
        generation.watches.add(task)
        try:
            async with self._sent_on(request) as answer:
                recorded.status = answer.status
                response = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    while generation.silent:
                        await asyncio.sleep(SILENCE_SECONDS)
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (ConnectionError, aiohttp.ClientError):
            # One of the two sides has closed its connection, which ends a watch.
            raise web.HTTPServiceUnavailable from None
        finally:
            generation.watches.discard(task)


def _kept(headers: Any) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k.lower() not in HOP_BY_HOP}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body
