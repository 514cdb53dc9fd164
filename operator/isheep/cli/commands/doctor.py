"""`isheep doctor [RUN]`: check a cluster, and what a run needs there."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isheep.cli.arguments.options import Context, Namespace
from isheep.contract.exit_codes import ExitCode

if TYPE_CHECKING:
    from isheep.cluster.client import Cluster
    from isheep.cluster.finding import Finding


def command(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Check also what this run names: a YAML file, or a name on the cluster.",
        ),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Check a cluster: the CRD, the operator, admission, Kueue, and your rights in a namespace.

    Each check prints one line. The exit code is 64 if a check has failed. A check that needs a
    right that you do not have is unknown, which is no failure. The check of the store starts no
    pod: it reads what the pods of earlier runs with this store have reported.
    """
    from isheep.cli.terminal.text import printable
    from isheep.cluster.client import Cluster

    cluster = Cluster.connect(namespace, context)
    failed = False
    for finding in _findings(cluster, None if run is None else _spec(cluster, run)):
        typer.echo(printable(str(finding)))
        failed = failed or finding.state == "failed"
    raise typer.Exit(ExitCode.BAD_INPUT if failed else ExitCode.DONE)


def _findings(cluster: Cluster, spec: Mapping[str, Any] | None) -> Iterator[Finding]:
    from isheep.cluster.installation import check_installation
    from isheep.cluster.references import check_references
    from isheep.cluster.rights import check_rights
    from isheep.cluster.store_use import check_store

    yield from check_installation(cluster)
    yield from check_rights(cluster)
    if spec is not None:
        yield from check_references(cluster, spec)
        yield check_store(cluster, spec)


def _spec(cluster: Cluster, run: str) -> Mapping[str, Any]:
    """Return the spec of a file, or of a run on the cluster."""
    from isheep.cli.arguments.run_argument import is_file, load_file

    spec: Mapping[str, Any]
    spec = load_file(run).document["spec"] if is_file(run) else cluster.get(run)["spec"]
    return spec
