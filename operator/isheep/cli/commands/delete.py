"""`isheep delete NAME -n NAMESPACE`: delete a run on a cluster, after a question."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from typing import Annotated

import typer

from isheep.cli.arguments.options import Context, Namespace, RunName
from isheep.contract.exit_codes import ExitCode


def command(
    name: RunName,
    namespace: Namespace = None,
    context: Context = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a run on a cluster, and wait until it is gone. The data in its store remain."""
    from isheep.cli.arguments.run_argument import name_on_cluster
    from isheep.cli.terminal.question import confirmed
    from isheep.cluster.client import Cluster

    run = name_on_cluster(name, namespace, context)
    cluster = Cluster.connect(namespace, context)
    question = f"Delete run {run} in namespace {cluster.namespace}?"
    if not yes and not confirmed(question, f"delete {run}"):
        typer.echo("nothing is deleted")
        raise typer.Exit(ExitCode.STOPPED)
    cluster.delete(run)
    typer.echo(f"{run} in namespace {cluster.namespace}: deleted")
