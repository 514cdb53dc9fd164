"""The network between the operator and the API server: it writes down, and can be bad.

The operator speaks plain HTTP to it; it speaks TLS to the API server, with the token of
the operator's service account. Every request is recorded with its answer's status. On
demand it refuses connections, cuts watches, answers requests itself, and calls
somebody after the n-th write: early (the answer is known to the proxy alone, as when
a process dies on its way) or late (it has been sent on).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from .api import ApiServer
from .background import Background
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
    """One request of the operator; `status` is 0 until it is answered."""

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
    def is_watch(self) -> bool:
        return self.query.get("watch") in ("true", "1", "True")

    @property
    def resource(self) -> str:
        """The plural of what is asked for, with its subresource: `jobs`, `pods/status`."""
        found = re.match(r"^/apis?/(?:[^/]+/)?v[^/]+/(?:namespaces/[^/]+/)?(.+)$", self.path)
        parts = found[1].split("/") if found else [self.path]
        return "/".join([parts[0], *parts[2:]])

    def __str__(self) -> str:
        return f"{self.method} {self.path} -> {self.status}"


@dataclass
class Rejection:
    """An answer that the proxy gives itself, `times` times."""

    method: str
    path: str
    status: int
    body: Any
    times: int

    def fits(self, request: Recorded) -> bool:
        wanted = self.method == request.method
        return self.times > 0 and wanted and re.search(self.path, request.path) is not None


class Proxy:
    """A proxy for one operator; the same port through any outage."""

    def __init__(self, server: ApiServer, token: str, background: Background) -> None:
        self._server = server
        self._token = token
        self._background = background
        self._listener: asyncio.Server | None = None
        self._watches: set[asyncio.Task[Any]] = set()
        self._refusals: list[Rejection] = []
        self._after_write: Callable[[Recorded], None] | None = None
        self._early = False
        self.requests: list[Recorded] = []
        self.delay_seconds = 0.0
        self._expired_before = 0
        self.port = 0

    # What tests ask of it.

    @property
    def kubeconfig(self) -> dict[str, Any]:
        """What the operator is told of its cluster."""
        return kubeconfig_of({"server": f"http://127.0.0.1:{self.port}"}, {})

    def start(self) -> None:
        self._background.run(self._open())

    def stop(self) -> None:
        self._background.run(self._close())

    def writes(self, resource: str | None = None) -> list[Recorded]:
        """Return the writes so far, of a resource, leases left out."""
        return [
            one
            for one in list(self.requests)
            if one.is_write
            and one.resource != "leases"
            and (resource is None or one.resource == resource)
        ]

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Have no API server for a while."""
        self._background.run(self._refuse_connections())
        try:
            yield
        finally:
            self._background.run(self._listen())

    def cut_watches(self) -> None:
        """End all watches."""
        self._background.run(self._cut_watches())

    def expire_before(self, version: int) -> None:
        """Have no watch taken up again from before a resource version, as after a compaction."""
        self._expired_before = version

    def refuse(
        self, method: str, path: str, status: int, body: Any = None, times: int = 10**6
    ) -> Rejection:
        """Answer requests that fit with a status of the proxy's own."""
        rejection = Rejection(
            method, path, status, body or {"kind": "Status", "code": status}, times
        )
        self._refusals.append(rejection)
        return rejection

    def mend(self) -> None:
        """Refuse nothing any more, and do not delay."""
        self._refusals.clear()
        self.delay_seconds = 0.0

    def after_write(self, call: Callable[[Recorded], None] | None, *, early: bool = False) -> None:
        """Call somebody for every write (of a lease: none) when it has been answered."""
        self._after_write, self._early = call, early

    # How it does it.

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession(
            self._server.url,
            connector=aiohttp.TCPConnector(ssl=self._server.tls(), limit=0),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._web = web.Server(self._handle, access_log=None)
        await self._listen()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._web, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _refuse_connections(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._web.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _close(self) -> None:
        await self._refuse_connections()
        await self._web.shutdown(0.1)
        await self._session.close()

    async def _cut_watches(self) -> None:
        for task in list(self._watches):
            task.cancel()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        sent = await request.read()
        recorded = Recorded(request.method, request.path, dict(request.query), _parsed(sent))
        self.requests.append(recorded)
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if recorded.is_watch:
            return await self._watch(request, recorded)
        rejection = next((r for r in self._refusals if r.fits(recorded)), None)
        if rejection is not None:
            rejection.times -= 1
            recorded.status = rejection.status
            return web.json_response(rejection.body, status=rejection.status)
        return await self._forward(request, sent, recorded)

    def _asked(self, request: web.BaseRequest, sent: bytes | None = None) -> Any:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        headers["Authorization"] = f"Bearer {self._token}"
        return self._session.request(
            request.method, request.raw_path, data=sent or None, headers=headers
        )

    async def _forward(
        self, request: web.BaseRequest, sent: bytes, recorded: Recorded
    ) -> web.StreamResponse:
        async with self._asked(request, sent) as answer:
            body = await answer.read()
        recorded.status = answer.status
        if recorded.is_write or answer.status >= 400:
            recorded.answer = _parsed(body)
        told = self._after_write if recorded.is_write and recorded.resource != "leases" else None
        if told is not None and self._early:
            told(recorded)
        response = web.Response(status=answer.status, body=body, headers=_kept(answer.headers))
        await response.prepare(request)
        await response.write_eof()
        if told is not None and not self._early:
            told(recorded)
        return response

    async def _watch(self, request: web.BaseRequest, recorded: Recorded) -> web.StreamResponse:
        if (
            int(recorded.query.get("resourceVersion") or self._expired_before)
            < self._expired_before
        ):
            recorded.status = 200
            return web.json_response({"type": "ERROR", "object": EXPIRED})
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        try:
            async with self._asked(request) as answer:
                recorded.status = answer.status
                response = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (ConnectionError, aiohttp.ClientError):
            # Either side has gone away, which is what watches end by.
            raise web.HTTPServiceUnavailable from None
        finally:
            self._watches.discard(task)


def _kept(headers: Any) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k.lower() not in HOP_BY_HOP}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body
