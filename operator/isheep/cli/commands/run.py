"""`isheep run FILE`: run a SelfAlignmentRun on this machine, or resume it.

The values of `--set` are stored with the run. If a later start would change them, it says so and
needs `--yes`, because the file does not contain them.
"""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.arguments import options

if TYPE_CHECKING:
    from isheep.cli.arguments.target import Target


def command(
    file: options.RunFile,
    store: options.Store = None,
    mirror: options.Mirrors = None,
    config_map: options.ConfigMaps = None,
    *,
    plain: options.Plain = False,
    allow_cpu: options.AllowCpu = False,
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
    from isheep.api.reading.set_values import set_words
    from isheep.cli.arguments.local_prices import local_prices
    from isheep.cli.arguments.set_confirmation import confirm_set_values
    from isheep.cli.arguments.set_option import set_values
    from isheep.cli.arguments.target import target
    from isheep.cli.progress import ending
    from isheep.cli.progress.local_execution import check_gpus, execute, progress_view
    from isheep.cli.terminal.command_line import this_command_line
    from isheep.cli.terminal.errors import BadInputError
    from isheep.cli.terminal.text import printable
    from isheep.planner.types import Environment

    if quiet and verbose:
        raise BadInputError("--quiet and --verbose exclude each other: use one of them")
    chosen = target(file, store, set_values(given))
    for problem in chosen.loaded.warnings():
        typer.echo(printable(str(problem)), err=True)
    if not allow_cpu:
        check_gpus(chosen.run.spec, _place_of_gpus(chosen))
    _check_stage(chosen, until)
    confirm_set_values(chosen, yes=yes)
    environment = Environment(
        default_storage=chosen.store_spec,
        mirrors=options.mirrors(mirror or (), os.environ),
        config_maps=options.config_maps(config_map or ()),
        prices=local_prices(os.environ),
    )
    console = ending.console()
    if chosen.set_values and not quiet:
        words = shlex.join(set_words(chosen.set_values))
        typer.echo(printable(f"{chosen.run.metadata.name}: with {words}"))
    live = console.is_terminal and not plain
    metadata = chosen.run.metadata
    with progress_view(
        metadata.name,
        chosen.run.spec.iterations,
        console,
        live=live,
        quiet=quiet,
        verbose=verbose,
    ) as view:
        conclusion = execute(
            chosen,
            chosen.spec,
            metadata.annotations,
            environment,
            view,
            set_values=chosen.set_values,
            until=until,
        )
    ending.show(console, chosen, conclusion, again=this_command_line(), quiet=quiet)
    if ending.has_error(conclusion):
        error = f"{chosen.run.metadata.name}: {conclusion.end}. {conclusion.message}"
        typer.echo(f"isheep: {printable(error)}", err=True)
    raise typer.Exit(conclusion.exit_code)


def _place_of_gpus(chosen: Target) -> str | None:
    """Return the file and the line of the field that asks for GPUs, if one does."""
    from isheep.local.devices import gpu_field

    asked = gpu_field(chosen.run.spec)
    return None if asked is None else chosen.loaded.where(f"spec.{asked}")


def _check_stage(chosen: Target, until: str | None) -> None:
    """Raise `BadInputError` if the run has no stage with this id."""
    from isheep.cli.terminal.errors import BadInputError
    from isheep.local.until import is_stage_of, stages_to_pause_at

    if until is None:
        return
    stages = stages_to_pause_at(chosen.run.spec)
    if not is_stage_of(until, stages):
        raise BadInputError(
            f"--until {until}: the run has no such stage; its stages are {', '.join(stages)}, and "
            "further rounds r2, r3, …"
        )
