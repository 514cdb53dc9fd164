"""The execution of a run on this machine, for the commands that start its stages."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from isheep.api.run import SelfAlignmentRunSpec
    from isheep.cli.arguments.open_run import OpenRun
    from isheep.local.conclusion import Conclusion
    from isheep.local.events import Listener
    from isheep.local.worker import Inbox
    from isheep.planner.types import Environment


def check_gpus(spec: SelfAlignmentRunSpec, place: str | None = None) -> None:
    """Raise `BadInputError` if a run asks for GPUs, and this machine has none.

    `place` is the file and the line of the field that asks, which the message begins with.
    """
    from isheep.cli.terminal.errors import BadInputError
    from isheep.local.devices import gpu_field, visible_devices

    asked = gpu_field(spec)
    if asked is not None and not visible_devices(os.environ):
        begin = "" if place is None else f"{place}: "
        raise BadInputError(
            f"{begin}spec.{asked} asks for GPUs, and this machine shows none (nvidia-smi, "
            "CUDA_VISIBLE_DEVICES): use a machine with GPUs, or add --allow-cpu"
        )


def execute(
    chosen: OpenRun,
    spec: Mapping[str, Any],
    annotations: Mapping[str, str],
    environment: Environment,
    listener: Listener,
    *,
    set_values: Mapping[str, Any],
    until: str | None = None,
) -> Conclusion:
    """Submit a run with a spec, execute it to its end, and return how it ended.

    The errors are those of `Session.run`. `set_values` are the fields of the spec that `--set` has
    changed, with their values. The run pauses when the stage `until` is committed.
    """
    from isheep.local import session
    from isheep.local.worker import Inbox
    from isheep.planner.plan import plan

    inbox = Inbox()
    work = session.Session(
        store=chosen.store,
        planner=plan,
        environment=environment,
        process_environment=os.environ,
        listener=listener,
        inbox=inbox,
        command=session.WORKER_COMMAND,
        until=until,
        set_values=set_values,
    )
    with _stoppable(inbox):
        return work.run(chosen.ref.namespace, chosen.ref.name, spec, annotations)


@contextmanager
def progress_view(
    name: str, iterations: int, console: Console, *, live: bool, quiet: bool, verbose: bool
) -> Iterator[Listener]:
    """Show the progress of a run while it is executed: live, as plain lines, or only warnings."""
    from isheep.cli.progress.live import LiveView
    from isheep.cli.progress.log_lines import LogLines
    from isheep.cli.progress.plain import PlainView
    from isheep.cli.progress.quiet import QuietView
    from isheep.local.session import utc_now

    if quiet:
        yield QuietView(lambda line: typer.echo(line, err=True), utc_now)
        return
    logs = LogLines() if verbose else None
    if not live:
        yield PlainView(typer.echo, utc_now, logs)
        return
    with LiveView(name, iterations, console, utc_now, logs) as view:
        yield view


@contextmanager
def _stoppable(inbox: Inbox) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into requests to stop."""
    from isheep.local.inbox import StopRequested

    def request_stop(*_: object) -> None:
        # A signal handler may call `put`, because `put` is reentrant.
        inbox.put(StopRequested())

    before = {
        number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
