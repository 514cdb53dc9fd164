"""`isheep report RUN`: print the location of the newest report, or copy the report."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from isheep.cli.arguments.options import AnyContext, AnyNamespace, AnyRun, Store
from isheep.cli.arguments.outputs import output_file


def command(
    run: AnyRun,
    namespace: AnyNamespace = None,
    context: AnyContext = None,
    store: Store = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Copy the report to this file, or into this folder; - writes stdout.",
        ),
    ] = None,
    *,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the report in the browser.")
    ] = False,
) -> None:
    """Print the location of the newest report, copy it with -o, or open it with --open.

    If the newest iteration has no report yet, stderr gets the figures of its committed stages.
    """
    from isheep.cli.arguments.opening import open_run
    from isheep.cli.figures.committed_figures import figures
    from isheep.cli.terminal.errors import BadInputError
    from isheep.cli.terminal.text import printable
    from isheep.local.results import newest_report
    from isheep.store.artifacts import ArtifactStore
    from isheep.store.documents import REPORT_FILE

    chosen = open_run(run, namespace, context, store)
    ref = chosen.ref
    committed = chosen.committed()
    artifacts = ArtifactStore(chosen.store, ref.namespace)
    for line in figures(artifacts, committed):
        typer.echo(printable(line), err=True)
    key = newest_report(committed)
    if key is None:
        raise BadInputError(
            f"{ref.name} has no report yet: the first one is written at the end of iteration 1"
        )
    if output is None:
        artifact = f"{chosen.store.uri}/{ref.namespace}/stages/{key}/files/{REPORT_FILE}"
        location = chosen.report_uri() or artifact
        if open_page and not Path(location).is_file():
            raise BadInputError(f"--open needs a file, and the report is at {location}: add -o")
        _show(location, open_page=open_page)
        return
    path = output_file(output, REPORT_FILE)
    if path is not None:
        artifacts.read_file(key, REPORT_FILE, path)
        _show(str(path), open_page=open_page)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / REPORT_FILE
        artifacts.read_file(key, REPORT_FILE, copy)
        sys.stdout.buffer.write(copy.read_bytes())
        sys.stdout.buffer.flush()


def _show(location: str, *, open_page: bool) -> None:
    """Print the location of the page, and open it in the browser if that is asked for."""
    typer.echo(location)
    if open_page:
        typer.launch(Path(location).absolute().as_uri())
