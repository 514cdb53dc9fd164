"""`isheep logs RUN [STAGE]`: the logs of a run's workers."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.arguments.options import AnyContext, AnyNamespace, AnyRun, Store

if TYPE_CHECKING:
    from isheep.cli.arguments.open_run import OpenRun
    from isheep.cluster.client import Cluster
    from isheep.local.run_logs import Log


def command(
    run: AnyRun,
    stage: Annotated[
        str | None,
        typer.Argument(metavar="STAGE", help="Print the logs of this stage only, as i1/train."),
    ] = None,
    namespace: AnyNamespace = None,
    context: AnyContext = None,
    store: Store = None,
    *,
    tail: Annotated[
        int, typer.Option("--tail", min=1, help="Print this number of last lines of each log.")
    ] = 200,
) -> None:
    """Print the logs of a run's workers: of this machine, of pods, and those of pods in the store.

    A Job for several stages has one log, under its first stage.
    """
    from isheep.cli.arguments.opening import open_run
    from isheep.cli.arguments.run_argument import Place, place_of
    from isheep.cli.terminal.text import printable
    from isheep.cluster.client import Cluster

    if place_of(run, namespace, context, store) is Place.CLUSTER:
        logs = _of_pods(Cluster.connect(namespace, context), run, stage)
    else:
        logs = _of_store(open_run(run, namespace, context, store), stage)
    for log in logs:
        typer.echo(f"==> {printable(log.name)} <==")
        for line in log.lines[-tail:]:
            typer.echo(printable(line))


def _of_store(chosen: OpenRun, stage: str | None) -> Sequence[Log]:
    from isheep.cli.terminal.errors import BadInputError
    from isheep.local.paths import LocalPaths
    from isheep.local.run_logs import local_logs, stored_logs

    run = chosen.ref
    paths = LocalPaths.of(run.uid, os.environ)
    logs = [*local_logs(paths, stage), *stored_logs(chosen.store, run, stage)]
    if not logs:
        raise BadInputError(
            f"{run.name} has no log{_of(stage)}, neither in {paths.logs} nor in "
            f"{chosen.stored.uri}/logs"
        )
    return logs


def _of_pods(cluster: Cluster, run: str, stage: str | None) -> Sequence[Log]:
    from isheep.cli.terminal.errors import BadInputError
    from isheep.cluster.pod_logs import pod_logs
    from isheep.local.run_logs import Log, lines_of

    cluster.get(run)
    logs = []
    for log in pod_logs(cluster, run):
        lines = log.lines if stage is None else tuple(lines_of(stage, log.lines))
        if log.missing is not None and stage is None:
            typer.echo(log.missing, err=True)
        elif lines:
            logs.append(Log(f"pod {log.pod}", lines))
    if not logs:
        raise BadInputError(
            f"run {run} in namespace {cluster.namespace} has no log{_of(stage)} in a pod that "
            "exists still; for earlier pods, add --store with the run's store"
        )
    return logs


def _of(stage: str | None) -> str:
    return "" if stage is None else f" of {stage}"
