"""The operator's HTTP server: /healthz, /readyz and /metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from isheep.kube.observability.metrics import Metrics

Check = Callable[[], str | None]
"""Returns the problem, or None if there is none."""


class HttpServer:
    """Serves /healthz, /readyz and /metrics."""

    def __init__(self, port: int, alive: Check, ready: Check, metrics: Metrics) -> None:
        self._port = port
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/healthz", _checked(alive))
        app.router.add_get("/readyz", _checked(ready))
        app.router.add_get("/metrics", self._text)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Start to serve, on all addresses."""
        await self._runner.setup()
        await web.TCPSite(self._runner, port=self._port).start()

    async def stop(self) -> None:
        """Stop serving."""
        await self._runner.cleanup()

    async def _text(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), content_type="text/plain", charset="utf-8")


def _checked(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        problem = check()
        return web.Response(text=(problem or "ok") + "\n", status=503 if problem else 200)

    return answer
