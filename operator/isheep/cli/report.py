"""`isheep report FILE`: print the location of the newest report, or copy the report."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isheep.cli.options import RunFile, Store

REPORT_FILE = "report.html"


def command(
    file: RunFile,
    store: Store = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Copy the report to this file.")
    ] = None,
) -> None:
    """Print the location of the newest report, or copy the report with -o."""
    from isheep.cli.errors import BadInputError
    from isheep.cli.target import target
    from isheep.local.results import newest_report
    from isheep.store.artifacts import ArtifactStore

    chosen = target(file, store)
    metadata = chosen.run.metadata
    key = newest_report(chosen.committed())
    if key is None:
        raise BadInputError(
            f"{metadata.name} has no report yet: the first one is written at the end of iteration 1"
        )
    if output is None:
        typer.echo(f"{chosen.store_spec.uri}/{metadata.namespace}/stages/{key}/files/{REPORT_FILE}")
        return
    ArtifactStore(chosen.store, metadata.namespace).read_file(key, REPORT_FILE, output)
    typer.echo(output)
