"""`isheep suspend NAME -n NAMESPACE`: stop a run on a cluster until it is resumed."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import typer

from isheep.cli.arguments.options import Context, Namespace, RunName


def command(name: RunName, namespace: Namespace = None, context: Context = None) -> None:
    """Suspend a run on a cluster. Its Jobs end, and committed results remain."""
    from isheep.cli.arguments.run_argument import name_on_cluster
    from isheep.cluster.client import Cluster

    run = name_on_cluster(name, namespace, context)
    cluster = Cluster.connect(namespace, context)
    cluster.set_suspended(run, suspended=True)
    typer.echo(f"{run} in namespace {cluster.namespace}: suspended")
