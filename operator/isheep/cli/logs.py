"""`isheep logs FILE [STAGE]`: the logs of a run's workers."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import os
from typing import Annotated

import typer

from isheep.cli.options import RunFile, Store


def command(
    file: RunFile,
    stage: Annotated[
        str | None,
        typer.Argument(metavar="STAGE", help="Print the logs of this stage only, as i1/train."),
    ] = None,
    store: Store = None,
    tail: Annotated[
        int, typer.Option("--tail", min=1, help="Print this number of last lines of each log.")
    ] = 200,
) -> None:
    """Print the logs of a run's workers: those of this machine, and those of pods in the store.

    A Job for several stages has one log, under its first stage.
    """
    from isheep.cli.errors import BadInputError
    from isheep.cli.target import target
    from isheep.cli.text import printable
    from isheep.local.paths import LocalPaths
    from isheep.local.run_logs import local_logs, stored_logs

    chosen = target(file, store)
    run = chosen.stored.ref
    paths = LocalPaths.of(run.uid, os.environ)
    logs = [*local_logs(paths, stage), *stored_logs(chosen.store, run, stage)]
    if not logs:
        of = "" if stage is None else f" of {stage}"
        raise BadInputError(
            f"{run.name} has no log{of}, neither in {paths.logs} nor in {chosen.stored.uri}/logs"
        )
    for log in logs:
        typer.echo(f"==> {log.name} <==")
        for line in log.lines[-tail:]:
            typer.echo(printable(line))
