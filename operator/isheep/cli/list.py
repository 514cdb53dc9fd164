"""`isheep list`: the runs in a store."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.options import Output, Store

if TYPE_CHECKING:
    from isheep.local.listing import ListedRun

COLUMNS = ("NAME", "RECIPE", "PHASE", "PROGRESS", "ITERATIONS", "KEPT", "CREATED")


def command(
    store: Store = None,
    namespace: Annotated[
        str,
        typer.Option("--namespace", "-n", metavar="NAMESPACE", help="List runs of this namespace."),
    ] = "default",
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Print text, or the runs as JSON.")
    ] = Output.TEXT,
) -> None:
    """List the runs of `isheep run` in a store."""
    from isheep.cli.target import store_of
    from isheep.cli.text import printable
    from isheep.local.listing import listed_runs
    from isheep.store import open_store

    opened = open_store(store_of(None, store))
    runs = list(listed_runs(opened, namespace, os.environ))
    if output is Output.JSON:
        typer.echo(json.dumps([_document(run) for run in runs], indent=2, ensure_ascii=False))
        return
    if not runs:
        typer.echo(f"{opened.uri} has no run in the namespace {namespace}", err=True)
        return
    rows = [COLUMNS, *(_row(run) for run in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(printable("  ".join(cells).rstrip()))


def _row(run: ListedRun) -> tuple[str, ...]:
    kept = run.history[-1].kept if run.history else None
    return (
        run.name,
        run.recipe,
        run.phase,
        run.progress or "-",
        f"{len(run.history)}/{run.iterations}",
        "-" if kept is None else str(kept),
        f"{run.created:%Y-%m-%d %H:%M}",
    )


def _document(run: ListedRun) -> dict[str, object]:
    return {
        "name": run.name,
        "recipe": run.recipe,
        "phase": run.phase,
        "progress": run.progress,
        "iterations": run.iterations,
        "created": run.created.isoformat(),
        "history": [record.document() for record in run.history],
    }
