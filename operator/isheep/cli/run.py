"""`isheep run FILE`: run a SelfAlignmentRun on this machine, or resume it."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from isheep.cli.target import Target
    from isheep.local.conclusion import Conclusion
    from isheep.local.events import Listener
    from isheep.local.worker import Inbox
    from isheep.planner.types import Environment


def command(
    file: options.RunFile,
    store: options.Store = None,
    mirror: options.Mirrors = None,
    config_map: options.ConfigMaps = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Print plain lines, as if stdout were not a terminal.")
    ] = False,
) -> None:
    """Run or resume a run on this machine.

    Press Ctrl-C to stop it. The same command resumes it, even after the process was killed.
    """
    from rich.console import Console

    from isheep.cli import ending
    from isheep.cli.target import target
    from isheep.cli.text import printable
    from isheep.planner.types import Environment

    chosen = target(file, store)
    environment = Environment(
        default_storage=chosen.store_spec,
        mirrors=options.mirrors(mirror or (), os.environ),
        config_maps=options.config_maps(config_map or ()),
    )
    console = Console(highlight=False)
    with _view(chosen, console, live=console.is_terminal and not plain) as view:
        conclusion = _execute(chosen, environment, view)
    ending.show(console, chosen, conclusion, again=_command_line(sys.argv))
    if conclusion.exit_code:
        error = f"{chosen.run.metadata.name}: {conclusion.end}. {conclusion.message}"
        typer.echo(f"isheep: {printable(error)}", err=True)
    raise typer.Exit(conclusion.exit_code)


def _command_line(arguments: Sequence[str]) -> str:
    """Return this command line for a shell, with the program's path if it is not in PATH."""
    program = Path(arguments[0])
    found = shutil.which(program.name)
    known = found is not None and program.exists() and program.samefile(found)
    return shlex.join([program.name if known else str(program), *arguments[1:]])


def _execute(chosen: Target, environment: Environment, view: Listener) -> Conclusion:
    from queue import SimpleQueue

    from isheep.local import session
    from isheep.planner.plan import plan

    inbox: Inbox = SimpleQueue()
    work = session.Session(
        store=chosen.store,
        planner=plan,
        environment=environment,
        process_environment=os.environ,
        listener=view,
        inbox=inbox,
        command=session.WORKER_COMMAND,
    )
    metadata = chosen.run.metadata
    with _stoppable(inbox):
        return work.run(metadata.namespace, metadata.name, chosen.spec, metadata.annotations)


@contextmanager
def _view(chosen: Target, console: Console, *, live: bool) -> Iterator[Listener]:
    from isheep.cli.live import LiveView
    from isheep.cli.plain import PlainView
    from isheep.local.session import utc_now

    if not live:
        yield PlainView(typer.echo, utc_now)
        return
    spec = chosen.run.spec
    with LiveView(chosen.run.metadata.name, spec.iterations, console, utc_now) as view:
        yield view


@contextmanager
def _stoppable(inbox: Inbox) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into requests to stop."""
    from isheep.local.worker import StopRequested

    def request_stop(*_: object) -> None:
        # A signal handler may call `SimpleQueue.put`, because `put` is reentrant.
        inbox.put(StopRequested())

    before = {
        number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
