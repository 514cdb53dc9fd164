"""`isheep gc`: delete the stages of a store that no run refers to, after a question."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isheep.cli.arguments.options import Output, Store
from isheep.cli.figures.size_text import size
from isheep.contract.exit_codes import ExitCode

if TYPE_CHECKING:
    from isheep.contract.order import RunRef
    from isheep.local.cluster_runs import ClusterRuns
    from isheep.local.garbage import Garbage
    from isheep.store.interface import ObjectStore


def command(
    store: Store = None,
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace", "-n", metavar="NAMESPACE", help="Delete in this namespace only."
        ),
    ] = "default",
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than",
            metavar="TIME",
            help="Keep a stage if one of its objects is newer, such as 7d or 12h.",
        ),
    ] = "7d",
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Print text, or what is deleted as JSON.")
    ] = Output.TEXT,
    *,
    cluster: Annotated[
        bool,
        typer.Option(
            "--cluster",
            help=(
                "Read the runs of the namespace from the cluster of this pod or of the kubeconfig, "
                "so that the stages of runs that were deleted there are found."
            ),
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be deleted, and delete nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the stages of a store that no run refers to.

    A run refers to its stages until its folder runs/NAME is deleted from the store. The command
    deletes nothing if a document of a run is damaged, or if the store is not known to have all that
    the runs of a cluster refer to. With --cluster, it deletes nothing if the runs cannot be listed,
    and it keeps what may belong to a run of another cluster.
    """
    from isheep.cli.arguments.target import store_of
    from isheep.cli.arguments.time_limit import seconds_of
    from isheep.cli.terminal.errors import BadInputError
    from isheep.cli.terminal.question import confirmed
    from isheep.cli.terminal.text import printable
    from isheep.local.garbage import find_garbage
    from isheep.store import open_store

    before = time.time() - seconds_of("--older-than", older_than)
    if output is Output.JSON and not (dry_run or yes):
        raise BadInputError("gc -o json: a question would be in the JSON; add --dry-run or --yes")
    opened = open_store(store_of(None, store))
    on_cluster = partial(_runs_of_cluster, namespace) if cluster else None
    found = find_garbage(
        opened,
        namespace,
        before=before,
        environment=os.environ,
        on_cluster=on_cluster,
    )
    if found.uncovered:
        raise BadInputError("\n".join(_refusal(opened, found)))
    if output is Output.TEXT:
        for line in _lines(opened, found):
            typer.echo(printable(line))
    delete = not dry_run and bool(found.stages or found.references)
    if delete and not yes and not confirmed("Delete this?", "gc"):
        typer.echo("nothing is deleted")
        raise typer.Exit(ExitCode.STOPPED)
    deleted = _delete(opened, found, on_cluster) if delete else None
    if output is Output.JSON:
        typer.echo(json.dumps(_document(opened, found, deleted), indent=2, ensure_ascii=False))
    elif deleted is not None:
        typer.echo(f"deleted: {_sum(found, deleted)}")


def _runs_of_cluster(namespace: str) -> ClusterRuns:
    """Return the runs of a namespace; raises `ClusterError` and `ClusterUnreachableError`."""
    from isheep.cluster.client import Cluster
    from isheep.local.cluster_runs import cluster_runs

    # A pod that has a kubeconfig, for example to develop in, means the cluster of the kubeconfig.
    pod = None if "KUBECONFIG" in os.environ else Cluster.of_pod(namespace)
    return cluster_runs((pod or Cluster.connect(namespace, None)).runs())


def _delete(
    store: ObjectStore, found: Garbage, on_cluster: Callable[[], ClusterRuns] | None
) -> set[str]:
    """Delete what was found, and return the keys of the deleted stages."""
    from isheep.local.garbage import delete_garbage

    deleted = {stage.key for stage in delete_garbage(store, found, on_cluster)}
    for stage in found.stages:
        if stage.key not in deleted:
            typer.echo(f"{stage.key}: kept, because a run may use it now", err=True)
    return deleted


def _lines(store: ObjectStore, found: Garbage) -> Iterator[str]:
    yield f"{store.uri}, namespace {found.namespace}:"
    if found.stages:
        yield f"{'STAGE':<64}  {'STATE':<10}  {'SIZE':>10}"
    for stage in found.stages:
        yield f"{stage.key}  {_state(committed=stage.committed):<10}  {size(stage.bytes):>10}"
    if found.deleted_runs:
        yield f"references of deleted runs: {', '.join(found.deleted_runs)}"
    if found.unprepared:
        names = ", ".join(found.unprepared)
        yield f"nothing is deleted, because these runs look for stages that exist: {names}"
    for reason in () if found.unprepared else _doubts(found):
        yield f"only stages of deleted runs are deleted, because {reason}"
    if found.stages or found.references:
        yield f"to delete: {_sum(found, {stage.key for stage in found.stages})}"
    else:
        yield "nothing to delete"


def _sum(found: Garbage, keys: set[str]) -> str:
    stages = [stage for stage in found.stages if stage.key in keys]
    committed = sum(stage.committed for stage in stages)
    total = size(sum(stage.bytes for stage in stages))
    return (
        f"{committed} committed and {len(stages) - committed} unfinished stages, {total}; "
        f"{len(found.references)} references of deleted runs"
    )


def _state(*, committed: bool) -> str:
    return "committed" if committed else "unfinished"


def _doubts(found: Garbage) -> list[str]:
    """Return why what has no reference is kept."""
    reasons = [f"run {name} has not ended" for name in found.at_work]
    reasons += [f"process {process} executes {name}" for name, process in found.executed.items()]
    return reasons + [f"the status of {_named(run)} is not known here" for run in found.elsewhere]


def _named(run: RunRef) -> str:
    return f"{run.name} (uid {run.uid})" if run.uid else run.name


def _refusal(store: ObjectStore, found: Garbage) -> Iterator[str]:
    yield (
        f"gc deletes nothing in {store.uri}, namespace {found.namespace}: neither the status of "
        "these runs is known, nor a report with all stages that they refer to. Such a run is on a "
        "cluster, or on another one than --cluster reads, or its documents were deleted or moved. "
        "Wait for its next report. If a run will never continue, delete what is left of it:"
    )
    for run in found.uncovered:
        yield f"  {_named(run)}: {'; '.join(_removals(store, run))}"


def _removals(store: ObjectStore, run: RunRef) -> Iterator[str]:
    """Yield the shell commands that delete the references and the documents of a run."""
    import shlex

    from isheep.store.artifacts import removal_command
    from isheep.store.documents import folder_of_run

    if run.uid:
        folder = shlex.quote(f"{store.uri}/{run.namespace}/refs")
        if store.uri.startswith("s3://"):
            yield f"aws s3 rm --recursive {folder} --exclude '*' --include '*/{run.uid}'"
        else:
            yield f"rm {folder}/*/{run.uid}"
    documents = folder_of_run(run)
    if next(store.list(documents), None) is not None:
        yield removal_command(store.uri, documents.removesuffix("/"))


def _document(store: ObjectStore, found: Garbage, deleted: set[str] | None) -> dict[str, Any]:
    """Return what was found as JSON values; docs/how-to/interrupt-and-resume.md documents them."""
    return {
        "store": store.uri,
        "namespace": found.namespace,
        "stages": [
            {
                "key": stage.key,
                "state": _state(committed=stage.committed),
                "bytes": stage.bytes,
                "deleted": deleted is not None and stage.key in deleted,
            }
            for stage in found.stages
        ],
        "deletedRuns": list(found.deleted_runs),
        "references": len(found.references),
        "keptBecause": [
            *(f"run {name} looks for stages that exist" for name in found.unprepared),
            *_doubts(found),
        ],
    }
