"""`isheep validate FILE`: is the run what the API takes?"""
# ruff: noqa: PLC0415  (a verb imports what it needs when it runs)

from __future__ import annotations

import typer

from isheep.cli.options import RunFile


def command(file: RunFile) -> None:
    """Check a run's file, without looking for its model or its store."""
    from isheep.api.loader import load_run

    load_run(file)
    typer.echo(f"{file}: ok")
