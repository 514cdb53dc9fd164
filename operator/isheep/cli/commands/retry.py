"""`isheep retry NAME -n NAMESPACE`: let a run on a cluster repeat what has failed."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import typer

from isheep.cli.arguments.options import Context, Namespace, RunName


def command(name: RunName, namespace: Namespace = None, context: Context = None) -> None:
    """Retry a failed run on a cluster from its last commit, or the failed measurements of a run."""
    from uuid import uuid4

    from isheep.cli.arguments.run_argument import name_on_cluster
    from isheep.cluster.client import Cluster

    run = name_on_cluster(name, namespace, context)
    cluster = Cluster.connect(namespace, context)
    cluster.retry(run, uuid4().hex)
    typer.echo(f"{run} in namespace {cluster.namespace}: retry requested")
