"""`isheep validate FILE`: check the file of a run."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import typer

from isheep.cli.options import RunFile


def command(file: RunFile) -> None:
    """Check the file of a run; the model and the store are not read."""
    from isheep.api.loader import load_run

    load_run(file)
    typer.echo(f"{file}: ok")
