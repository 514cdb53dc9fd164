"""`isheep validate FILE…`: check the files of runs."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from typing import Annotated

import typer

from isheep.cli.arguments import options
from isheep.contract.exit_codes import ExitCode


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="The YAML files of SelfAlignmentRuns; - reads one from stdin."
        ),
    ],
    given: options.SetValues = None,
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 64 after a warning, too.")
    ] = False,
) -> None:
    """Check the files of runs, and warn of settings without effect.

    The model and the store are not read.
    """
    from isheep.api.reading.loader import SpecError
    from isheep.cli.arguments.run_argument import load_file
    from isheep.cli.arguments.set_option import set_values
    from isheep.cli.terminal.text import printable

    values = set_values(given)
    refused = False
    for file in files:
        try:
            loaded = load_file(file, values)
        except SpecError as error:
            typer.echo(printable(str(error)), err=True)
            refused = True
            continue
        found = loaded.warnings()
        for problem in found:
            typer.echo(printable(str(problem)), err=True)
        refused = refused or (strict and bool(found))
        plural = "s" if len(found) > 1 else ""
        typer.echo(f"{file}: ok" + (f", {len(found)} warning{plural}" if found else ""))
    raise typer.Exit(ExitCode.BAD_INPUT if refused else ExitCode.DONE)
