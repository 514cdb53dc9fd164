"""Keeps the watches open: one kopf operator for each namespace, which is started again if it ends.

kopf looks only once for the resources that it watches, because the operator has no right to watch
CustomResourceDefinitions. It ends if one of its watches fails for good, for example because the
resource or the namespace was deleted. So each watched namespace has its own kopf operator. It
starts when runs and Jobs can be listed, and it starts again when one of its watches has been lost
for some time. One namespace that is gone does not disturb the others.

A kopf operator that ends with an error does not end its other watches. If the event loop cancels
all tasks at the end of the process, a watch of kopf ignores its cancellation, because its condition
to stop is cancelled at the same time. Then the process never ends. So this module cancels them.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Collection
from typing import Any

import kopf

from isheep.kube.config import OperatorConfig
from isheep.kube.process.handlers import registry
from isheep.kube.process.operator import Operator

RETRY_SECONDS = 5.0
"""The wait before the watches of a namespace are opened again."""
LOST_SECONDS = 75.0
"""kopf opens a lost watch again by itself within this time, or is replaced.

Before it opens a watch, kopf lists all objects, which may take minutes. So the time begins again
with each page that it receives. Otherwise the LIST of many runs would never end. It is longer than
the time limit of a request (`handlers.configure`), because a busy API server is slow.
"""
CHECK_SECONDS = 1.0


def run(config: OperatorConfig, operator: Operator) -> None:
    """Run an operator until it stops; raises `ConfigError` if it cannot start."""
    logging.getLogger("kopf").setLevel(logging.DEBUG if config.debug else logging.WARNING)
    asyncio.run(_run(config, operator))


async def _run(config: OperatorConfig, operator: Operator) -> None:
    await operator.start()
    try:
        await watch_until_stopped(operator, config.scopes)
    finally:
        await operator.stop()


async def watch_until_stopped(operator: Operator, namespaces: Collection[str | None]) -> None:
    """Watch runs and Jobs until a signal asks the process to stop; None is all namespaces."""
    stop = asyncio.Event()
    _handle_signals(stop)
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait(), name="stop")]
    for namespace in namespaces:
        operator.watches.expect(namespace)
        name = f"watches of {namespace or 'all namespaces'}"
        tasks.append(asyncio.create_task(_keep(operator, namespace, stop), name=name))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _cancel(tasks)
        # Those of a kopf operator that was ending when the stop was requested.
        for namespace in namespaces:
            await _cancel(_watchers(namespace))


async def _keep(operator: Operator, namespace: str | None, stop: asyncio.Event) -> None:
    """Watch a namespace whenever that is possible."""
    while True:
        if await operator.refresh(namespace):
            why = "kopf has ended"
            try:
                await _watch(operator, namespace, stop)
            except Exception as error:  # noqa: BLE001 (kopf raises whatever ended a watch)
                why = f"{type(error).__name__}: {error}"
            operator.watches.lose(namespace, why)
        await asyncio.sleep(RETRY_SECONDS)


async def _watch(operator: Operator, namespace: str | None, stop: asyncio.Event) -> None:
    """Run a kopf operator until it ends, or until one of its watches is lost for too long."""
    ended = asyncio.Event()
    lists = operator.watches.lists(namespace)
    tasks = [
        *await kopf.spawn_tasks(
            registry=registry(operator),
            standalone=True,
            clusterwide=namespace is None,
            namespaces=() if namespace is None else (namespace,),
            stop_flag=ended,
        )
    ]
    # kopf has replaced the handlers of signals by those of this kopf operator alone.
    _handle_signals(stop)
    tasks.append(asyncio.create_task(_lost(operator, namespace), name=f"lost {namespace}"))
    finder = _find_deletions(operator, namespace, lists)
    tasks.append(asyncio.create_task(finder, name=f"deletions {namespace}"))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        # With the flag, kopf does not kill the process after its operator has ended.
        ended.set()
        await _cancel(tasks)
        await _cancel(_watchers(namespace))


def _watchers(namespace: str | None) -> list[asyncio.Task[Any]]:
    """Return kopf's tasks that watch a namespace; kopf gives them these names."""
    return [
        task
        for task in asyncio.all_tasks()
        if task.get_name().startswith("watcher for ") and task.get_name().endswith(f"@{namespace}")
    ]


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _lost(operator: Operator, namespace: str | None) -> None:
    """Wait until a watch of the namespace has been lost for too long, and no LIST goes on."""
    lost, pages = 0.0, 0
    while lost < LOST_SECONDS:
        await asyncio.sleep(CHECK_SECONDS)
        before, pages = pages, operator.watches.pages(namespace)
        goes_on = operator.watches.are_open(namespace) or pages > before
        lost = 0.0 if goes_on else lost + CHECK_SECONDS


async def _find_deletions(operator: Operator, namespace: str | None, known: int) -> None:
    """Look for deletions after each LIST of kopf; `known` is the number of its earlier LISTs."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        lists = operator.watches.lists(namespace)
        if lists > known and await operator.find_deletions(namespace):
            known = lists


def _handle_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
