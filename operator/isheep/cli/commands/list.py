"""`isheep list`: the runs in a store or on a cluster."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.arguments.options import Context, Output, Store

if TYPE_CHECKING:
    from isheep.local.listing import ListedRun

COLUMNS = ("NAME", "RECIPE", "PHASE", "PROGRESS", "ITERATIONS", "KEPT", "CREATED")


def command(
    store: Store = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAMESPACE",
            help="List the runs of this namespace: of the cluster, or of the store with --store.",
        ),
    ] = None,
    context: Context = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Print text, or the runs as JSON.")
    ] = Output.TEXT,
    *,
    everywhere: Annotated[
        bool,
        typer.Option(
            "--all-namespaces", "-A", help="List the runs of all namespaces of a cluster."
        ),
    ] = False,
) -> None:
    """List the runs on a cluster (-n, -A or --context), or the runs of `isheep run` in a store."""
    from isheep.cli.arguments.run_argument import on_cluster
    from isheep.cli.terminal.text import printable

    if everywhere or on_cluster(namespace, context, store):
        where, runs = _on_cluster(namespace, context, everywhere=everywhere)
    else:
        where, runs = _in_store(store, namespace)
    if output is Output.JSON:
        typer.echo(json.dumps([_document(run) for run in runs], indent=2, ensure_ascii=False))
        return
    if not runs:
        typer.echo(f"{where}: no run", err=True)
        return
    typer.echo(f"{where}:", err=True)
    rows = [COLUMNS, *(_row(run) for run in runs)]
    if everywhere:
        namespaces = ["NAMESPACE", *(run.namespace for run in runs)]
        rows = [(one, *row) for one, row in zip(namespaces, rows, strict=True)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(printable("  ".join(cells).rstrip()))


def _in_store(option: str | None, namespace: str | None) -> tuple[str, Sequence[ListedRun]]:
    from isheep.cli.arguments.opening import DEFAULT_NAMESPACE
    from isheep.cli.arguments.target import store_of
    from isheep.local.listing import listed_runs
    from isheep.store import open_store

    opened = open_store(store_of(None, option))
    chosen = namespace or DEFAULT_NAMESPACE
    runs = list(listed_runs(opened, chosen, os.environ))
    return f"{opened.uri}, namespace {chosen}", runs


def _on_cluster(
    namespace: str | None, context: str | None, *, everywhere: bool
) -> tuple[str, Sequence[ListedRun]]:
    from isheep.cli.arguments.opening import view_of
    from isheep.cluster.client import Cluster
    from isheep.local.listing import listed_run

    cluster = Cluster.connect(namespace, context)
    views = [view_of(document) for document in cluster.runs(all_namespaces=everywhere)]
    where = "all namespaces" if everywhere else f"namespace {cluster.namespace}"
    return where, [listed_run(view, view.status.phase or "Pending") for view in views]


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
        "namespace": run.namespace,
        "recipe": run.recipe,
        "phase": run.phase,
        "progress": run.progress,
        "iterations": run.iterations,
        "created": run.created.isoformat(),
        "history": [record.document() for record in run.history],
    }
