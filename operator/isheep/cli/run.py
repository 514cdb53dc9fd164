"""`isheep run FILE`: run a SelfAlignmentRun on this machine, or resume it.

The values of `--set` are stored with the run. If a later start would change them, it says so and
needs `--yes`, because the file does not contain them.
"""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
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
    *,
    plain: Annotated[
        bool, typer.Option("--plain", help="Print plain lines, as if stdout were not a terminal.")
    ] = False,
    allow_cpu: Annotated[
        bool,
        typer.Option("--allow-cpu", help="Use the CPU if the run asks for GPUs and none is found."),
    ] = False,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="STAGE", help="Pause when this stage is committed, as i1/select."
        ),
    ] = None,
    given: options.SetValues = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Do not ask if the values of --set differ from the last ones."),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print warnings, errors and the last line only, as plain lines."
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Print the log lines of the workers, too."),
    ] = False,
) -> None:
    """Run or resume a run on this machine.

    Press Ctrl-C to stop it. The same command resumes it, even after the process was killed.
    """
    from isheep.api.set_values import set_words
    from isheep.cli import ending
    from isheep.cli.command_line import this_command_line
    from isheep.cli.errors import BadInputError
    from isheep.cli.set_confirmation import confirm_set_values
    from isheep.cli.set_option import set_values
    from isheep.cli.target import target
    from isheep.cli.text import printable
    from isheep.planner.types import Environment

    if quiet and verbose:
        raise BadInputError("--quiet and --verbose exclude each other: use one of them")
    chosen = target(file, store, set_values(given))
    for problem in chosen.loaded.warnings():
        typer.echo(printable(str(problem)), err=True)
    if not allow_cpu:
        _check_gpus(chosen)
    _check_stage(chosen, until)
    confirm_set_values(chosen, yes=yes)
    environment = Environment(
        default_storage=chosen.store_spec,
        mirrors=options.mirrors(mirror or (), os.environ),
        config_maps=options.config_maps(config_map or ()),
    )
    console = ending.console()
    if chosen.set_values and not quiet:
        words = shlex.join(set_words(chosen.set_values))
        typer.echo(printable(f"{chosen.run.metadata.name}: with {words}"))
    live = console.is_terminal and not plain
    with _view(chosen, console, live=live, quiet=quiet, verbose=verbose) as view:
        conclusion = _execute(chosen, environment, view, until)
    ending.show(console, chosen, conclusion, again=this_command_line(), quiet=quiet)
    if ending.has_error(conclusion):
        error = f"{chosen.run.metadata.name}: {conclusion.end}. {conclusion.message}"
        typer.echo(f"isheep: {printable(error)}", err=True)
    raise typer.Exit(conclusion.exit_code)


def _check_gpus(chosen: Target) -> None:
    """Raise `BadInputError` if the run asks for GPUs, and this machine has none."""
    from isheep.cli.errors import BadInputError
    from isheep.local.devices import gpu_field, visible_devices

    asked = gpu_field(chosen.run.spec)
    if asked is not None and not visible_devices(os.environ):
        raise BadInputError(
            f"{chosen.loaded.where(f'spec.{asked}')}: spec.{asked} asks for GPUs, and this machine "
            "shows none (nvidia-smi, CUDA_VISIBLE_DEVICES): use a machine with GPUs, or add "
            "--allow-cpu"
        )


def _check_stage(chosen: Target, until: str | None) -> None:
    """Raise `BadInputError` if the run has no stage with this id."""
    from isheep.cli.errors import BadInputError
    from isheep.local.until import is_stage_of, stages_to_pause_at

    if until is None:
        return
    stages = stages_to_pause_at(chosen.run.spec)
    if not is_stage_of(until, stages):
        raise BadInputError(
            f"--until {until}: the run has no such stage; its stages are {', '.join(stages)}, and "
            "further rounds r2, r3, …"
        )


def _execute(
    chosen: Target, environment: Environment, view: Listener, until: str | None
) -> Conclusion:
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
        until=until,
        set_values=chosen.set_values,
    )
    metadata = chosen.run.metadata
    with _stoppable(inbox):
        return work.run(metadata.namespace, metadata.name, chosen.spec, metadata.annotations)


@contextmanager
def _view(
    chosen: Target, console: Console, *, live: bool, quiet: bool, verbose: bool
) -> Iterator[Listener]:
    from isheep.cli.live import LiveView
    from isheep.cli.log_lines import LogLines
    from isheep.cli.plain import PlainView
    from isheep.cli.quiet import QuietView
    from isheep.local.session import utc_now

    if quiet:
        yield QuietView(lambda line: typer.echo(line, err=True), utc_now)
        return
    logs = LogLines() if verbose else None
    if not live:
        yield PlainView(typer.echo, utc_now, logs)
        return
    spec = chosen.run.spec
    with LiveView(chosen.run.metadata.name, spec.iterations, console, utc_now, logs) as view:
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
