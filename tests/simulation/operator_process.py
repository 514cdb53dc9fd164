"""One operator process: the real operator over a simulated connection, and its watches.

Everything between kopf's handlers and the official client is the operator's own code. Three edges
are replaced: the connections to the API server and to the pods, the HTTP server for probes, and the
wall clock. A process can die at any moment, with all its tasks; nothing of its memory is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

from isheep.kube import client as client_module
from isheep.kube.client import Api
from isheep.kube.config import LimitsConfig, OperatorConfig
from isheep.kube.names import MANAGED_BY, MANAGED_BY_LABEL
from isheep.kube.process import operator as operator_module
from isheep.kube.process.operator import Operator

from ..unit.isheep.kube.fake_session import FakeSession
from .api_server import JOBS, RUNS, Json
from .clock import WallClock, monotonic
from .connection import Configuration, Connection, Network
from .informer import Informer

LOOK_SECONDS = (0.3, 1.3)
"""When the operator looks for deletions after a LIST of its watches."""
STORE = {"bucket": "bucket", "prefix": "some/prefix", "secretRef": {"name": "installation"}}
"""The store of runs that name none."""
PRICE = 3.6
"""The price of a GPU for an hour, a thousandth for a second."""
CONFIG = OperatorConfig.read(
    {
        "workerImage": "image-1",
        "workerImagePullPolicy": "Always",
        "appArmorProfile": "RuntimeDefault",
        "logFormat": "Json",
        "defaultStorage": {"s3": STORE},
        "modelMirrors": {"hf://org/": "pvc://models/org/"},
        "prices": {"currency": "EUR", "perHour": {"nvidia.com/gpu": PRICE}},
        "workers": 4,
        "httpPort": 0,
        "lease": {"namespace": "system"},
    }
)
REOPEN_SECONDS = (5.0, 60.0)
"""How much later than requests the watches of a process that was cut off go on."""
_PROCESS: ContextVar[OperatorProcess | None] = ContextVar("process", default=None)


def track_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Let each task that a process creates belong to the process."""

    def create(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        context = options.get("context")
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is not None:
            process.tasks.append(task)
        return task

    loop.set_task_factory(create)


def _report(task: asyncio.Task[Any]) -> None:
    """Report the error of a task that must not end with one."""
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler({"message": "a task ended", "exception": error})


class _Session(FakeSession):
    is_open = True

    async def close(self) -> None:
        """Note that it is closed."""
        self.is_open = False


class _NoHttpServer:
    """Replaces the server of /healthz, /readyz and /metrics."""

    is_open = False

    async def start(self) -> None:
        """Serve nothing."""
        self.is_open = True

    async def stop(self) -> None:
        """Note that it is stopped."""
        self.is_open = False


class OperatorProcess:
    """A process with an identity; `died` is called when a crash point ends it.

    `limit` is the most runs that work at the same time.
    """

    def __init__(
        self,
        network: Network,
        session: FakeSession,
        wall: WallClock,
        identity: str,
        chance: random.Random,
        *,
        limit: int | None = None,
    ) -> None:
        self._network, self._session, self._wall = network, session, wall
        self._chance, self._limit = chance, limit
        self.identity = identity
        self.tasks: list[asyncio.Task[Any]] = []
        self.informers: list[Informer] = []
        self.ended = asyncio.Event()
        self._looks = False
        self._open: list[_Session | _NoHttpServer | Connection] = []

    def start(self) -> None:
        """Start the operator and its watches."""
        token = _PROCESS.set(self)
        try:
            asyncio.get_running_loop().create_task(self._run()).add_done_callback(_report)
        finally:
            _PROCESS.reset(token)

    def die(self) -> None:
        """End the process at once; its memory and its open requests are lost."""
        self.ended.set()
        for task in self.tasks:
            task.cancel()

    def cut_off(self, seconds: float) -> None:
        """Cut the process off from the API server for some seconds; its watches need longer."""
        until = monotonic() + seconds
        for one in self._open:
            if isinstance(one, Connection):
                one.cut_until = until
        for informer in self.informers:
            informer.silent_until = until + self._chance.uniform(*REOPEN_SECONDS)
            informer.loses = self._chance.random() < 0.5

    async def stop(self) -> None:
        """End the process as SIGTERM does: it releases its Lease."""
        if not self.ended.is_set():
            await self.operator.stop()
            if not self.ended.is_set():
                self._check_closed()
            self.die()

    def _check_closed(self) -> None:
        """Report what an operator that has ended by itself has left open."""
        for one in self._open:
            if one.is_open:
                message = f"{self.identity} has stopped, and its {type(one).__name__} is open"
                asyncio.get_running_loop().call_exception_handler({"message": message})

    async def _run(self) -> None:
        limits = LimitsConfig(runs_per_namespace=self._limit)
        config = CONFIG.model_copy(update={"limits": limits})
        self.operator = Operator(config, {operator_module.NAME_VARIABLE: self.identity})
        session, http = _Session(self._session.answer), _NoHttpServer()
        self._open += [session, http]
        with (
            patch.object(operator_module, "Api", self),
            patch.object(operator_module, "HttpServer", lambda *_: http),
            patch.object(operator_module, "poll_session", lambda: session),
            patch.object(operator_module, "_now", self._wall.now),
        ):
            await self.operator.start()
        self._watch(RUNS, {}, self.operator.run_event)
        self._watch(JOBS, {MANAGED_BY_LABEL: MANAGED_BY}, self.operator.job_event)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(informer.run() for informer in self.informers))

    async def connect(self, on_answer: Any) -> Api:
        """Return a connection; replaces `Api.connect`."""
        made = Connection(self._network, self.identity, self.die)
        self._open.append(made)
        with patch.object(client_module.client, "ApiClient", lambda _: made):
            return Api(Configuration(), on_answer)  # type: ignore[arg-type]

    def _watch(self, resource: str, labels: dict[str, str], handler: Any) -> None:
        def handle(kind: str | None, document: Json) -> None:
            if not self.ended.is_set():
                handler(kind, document)

        informer = Informer(
            self._network,
            resource,
            labels,
            handle,
            self._chance,
            self._note_list,
        )
        self.informers.append(informer)

    def _note_list(self) -> None:
        """Let the operator look for deletions soon, once for both watches."""
        if not self._looks:
            self._looks = True
            asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        await asyncio.sleep(self._chance.uniform(*LOOK_SECONDS))
        self._looks = False
        while not await self.operator.find_deletions(None):
            await asyncio.sleep(LOOK_SECONDS[0])
