"""One simulation: a cluster, an operator, runs and faults in one process and in virtual time."""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from dataclasses import replace
from typing import Any

from isheep.kube.client import ApiError, ApiUnreachableError

from ..unit.isheep.kube.fake_session import FakeSession
from .api_server import RUNS, ApiServer, Json
from .clock import Scheduler, SimulationLoop, WallClock
from .connection import Network
from .deployment import Deployment
from .drawn_runs import draw_runs, size_of
from .faults import draw
from .history import History
from .job_controller import JobController
from .kubelet import Kubelet
from .memory_at_end import kept_in_memory
from .nodes import Nodes
from .operator_process import OperatorProcess, track_tasks
from .polls import PollLog
from .queue import QUEUE_LABEL, QUEUES, Queue
from .specs import completed, completed_labels, limit_of
from .store import Store
from .themes import draw_theme
from .world import World

QUEUED_SHARE = 0.25
CREATION_SECONDS = (10.0, 10.0, 150.0)
"""The longest time before somebody creates a run."""
LATEST_SECONDS = 900.0
"""When a run that is late goes on if its peer has had no Job for which it waits."""
MOST_CUTS, MOST_BACKS = 3, 3


class _Errors(logging.Handler):
    """Collects the defects that the operator logs: errors of a pass that it did not expect."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info or record.exc_info[1] is None:
            return
        error = record.exc_info[1]
        if not isinstance(error, ApiError | ApiUnreachableError):
            self._errors.append(f"{record.getMessage()}: {error!r}")


def simulate(seed: int) -> History:
    """Run the simulation of a seed, and return its history."""
    errors: list[str] = []
    handler = _Errors(errors)
    logger = logging.getLogger("isheep")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        # asyncio.Runner would install a handler of SIGINT, which costs a tenth of the time.
        loop = SimulationLoop()
        try:
            return loop.run_until_complete(_simulate(seed, errors))
        finally:
            _close(loop)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks that are left, and close the loop."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


async def _simulate(seed: int, errors: list[str]) -> History:
    chance = random.Random(seed)
    loop = asyncio.get_running_loop()
    track_tasks(loop)
    loop.set_exception_handler(lambda _, context: errors.append(_described(context)))
    theme = draw_theme(chance)
    names, specs = draw_runs(chance, theme)
    limit = None
    if not theme.peers:
        names, specs = completed(seed, names, specs)
        limit = limit_of(seed, len(specs))
    plan = draw(chance, theme, runs=len(names), scale=size_of(specs))
    server, store, wall, scheduler = ApiServer(), Store(), WallClock(), Scheduler()
    network = Network(server, chance, plan.of_request, lambda path: _touch(server, path))
    nodes = Nodes(server, scheduler, chance)
    queue = Queue(server, scheduler, chance, slow=theme.queued)
    world = World(
        seed, chance, plan, server, store, wall, scheduler, network, nodes, queue, errors=errors
    )
    network.delete, world.waits = world.delete_run, theme.waits
    world.cuts, world.reaction = MOST_CUTS * theme.cut_stops, theme.reaction
    world.backs = MOST_BACKS * theme.clock_back
    session = FakeSession()
    kubelet = Kubelet(
        server, store, scheduler, chance, plan.of_pod, nodes, slow_stops=theme.slow_stops
    )
    log = PollLog(
        lambda url: TimeoutError() if chance.random() < 0.1 else kubelet.progress(url),
        kubelet.job_at,
    )
    session.answer = log.answer
    JobController(server, scheduler, chance)
    world.deployment = Deployment(
        lambda identity: OperatorProcess(network, session, wall, identity, chance, limit=limit),
        world.processes,
        scheduler,
        chance,
    )
    server.listeners.append(world.note_change)
    world.deployment.start()
    queued = theme.queued or (chance.random() < QUEUED_SHARE and not theme.alone)
    labels = {QUEUE_LABEL: chance.choice(QUEUES)} if queued else {}
    labels = completed_labels(seed, labels)
    if theme.late_peer:
        world.mixed = world.prepares_late = bool(theme.peer_groupings)
        world.create_run(names.pop(0), {**specs.pop(0), "suspend": not world.mixed}, {})
        labels, (world.late,) = {}, [place for place, _ in server.members(RUNS)]
        scheduler.later(LATEST_SECONDS, lambda: world.resume_late(0.0))
    for name, spec in zip(names, specs, strict=True):
        begin = chance.uniform(0, chance.choice(CREATION_SECONDS))
        if theme.apart is not None:
            begin = chance.uniform(*theme.apart) if name != names[0] else 0.0
        scheduler.later(begin, _creation(world, name, spec, labels))
        world.expect(begin)
    try:
        await world.run_to_end()
        history = world.history()
        kept = await kept_in_memory(world, history)
        return replace(history, polls=tuple(log.polls), kept=kept, limit=limit)
    finally:
        world.deployment.stop()
        scheduler.close()
        server.close()


def _creation(world: World, name: str, spec: Json, labels: Json) -> Any:
    return lambda: world.create_run(name, spec, labels)


def _touch(server: ApiServer, path: str) -> None:
    """Change an object as another client does, if it exists."""
    place = path.partition("?")[0].removesuffix("/status")
    if place in server.objects:
        annotations = {"touched": str(server.version)}
        found = server.objects[place]["metadata"].get("annotations") or {}
        server.change(place, metadata={"annotations": {**found, **annotations}})


def _described(context: Json) -> str:
    error = context.get("exception")
    trace = "".join(traceback.format_exception(error)) if error is not None else ""
    return f"{context.get('message')}: {trace[-2000:]}"
