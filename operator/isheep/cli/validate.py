"""`isheep validate FILE…`: check the files of runs."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.outputs import PIPE
from isheep.contract.exit_codes import ExitCode

if TYPE_CHECKING:
    from isheep.api.loader import LoadedRun


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="The YAML files of SelfAlignmentRuns; - reads one from stdin."
        ),
    ],
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 64 after a warning, too.")
    ] = False,
) -> None:
    """Check the files of runs, and warn of settings without effect.

    The model and the store are not read.
    """
    from isheep.api.loader import SpecError
    from isheep.cli.text import printable

    refused = False
    for file in files:
        try:
            loaded = _load(file)
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


def _load(file: str) -> LoadedRun:
    from isheep.api.loader import load_bytes, load_run

    if file == PIPE:
        return load_bytes(sys.stdin.buffer.read(), "<stdin>")
    return load_run(Path(file))
