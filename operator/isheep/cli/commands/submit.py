"""`isheep submit FILE -n NAMESPACE`: create a run on a cluster."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.arguments.options import Context, Namespace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isheep.api.reading.loader import LoadedRun
    from isheep.cluster.submission import Change


def command(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The YAML file of a SelfAlignmentRun; - is stdin."),
    ],
    namespace: Namespace = None,
    context: Context = None,
    *,
    force: Annotated[
        bool,
        typer.Option("--force", help="Change the run with this name if it has another spec."),
    ] = False,
) -> None:
    """Check the file of a run, and create the run on a cluster.

    If the cluster has a run with this name and another spec, the differences are printed, and
    nothing is changed without --force.
    """
    from isheep.cli.arguments.opening import words_on_cluster
    from isheep.cli.arguments.run_argument import load_file
    from isheep.cli.terminal.command_line import command_line
    from isheep.cli.terminal.errors import BadInputError
    from isheep.cli.terminal.text import printable
    from isheep.cluster.client import Cluster
    from isheep.cluster.submission import submit

    loaded = load_file(file)
    _check(loaded)
    for problem in loaded.warnings():
        typer.echo(printable(str(problem)), err=True)
    cluster = Cluster.connect(_namespace(loaded, namespace), context)
    name = loaded.run.metadata.name
    where = f"{name} in namespace {cluster.namespace}"
    document = loaded.document
    document["metadata"]["namespace"] = cluster.namespace
    found = submit(cluster, document)
    if found.changes and not force:
        raise BadInputError(
            f"{where}: the run exists with another spec; --force changes it, and work continues "
            f"from what is still valid:\n{_listed(found.changes)}"
        )
    if found.changes and found.wanted is not None:
        cluster.replace(found.wanted, dry_run=False)
        typer.echo(f"{where}: changed\n{_listed(found.changes)}")
    else:
        typer.echo(f"{where}: {'created' if found.changes is None else 'unchanged'}")
    words = words_on_cluster(name, cluster.namespace, context)
    typer.echo(f"to watch it: {command_line('status', *words, '-w')}")
    typer.echo(f"to wait for its end: {command_line('wait', *words)}")


def _check(loaded: LoadedRun) -> None:
    """Raise `BadInputError` for a run that can only run on this machine."""
    from isheep.cli.terminal.errors import BadInputError

    storage = loaded.run.spec.storage
    if storage is not None and storage.folder is not None:
        raise BadInputError(
            f"{loaded.where('spec.storage.folder')}: spec.storage.folder is a folder of one "
            "machine, for `isheep run` only: set spec.storage.s3, or remove spec.storage if the "
            "operator has a default"
        )


def _namespace(loaded: LoadedRun, option: str | None) -> str | None:
    """Return the namespace of the option or of the file; raises `BadInputError` if they differ."""
    from isheep.cli.terminal.errors import BadInputError

    given: str | None = loaded.document["metadata"].get("namespace")
    if given is not None and option not in (None, given):
        raise BadInputError(
            f"{loaded.where('metadata.namespace')}: metadata.namespace is {given}, but -n is "
            f"{option}: remove one of them"
        )
    return option or given


def _listed(changes: Sequence[Change]) -> str:
    from isheep.cli.terminal.text import printable

    return "\n".join(printable(f"  {change}") for change in changes)
