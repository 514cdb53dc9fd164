"""Opens the run of an argument: of a file, of a store by its name, or on a cluster by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from isheep.api.storage import Storage
from isheep.cli.arguments.open_run import OpenRun
from isheep.cli.arguments.run_argument import Place, place_of
from isheep.cli.arguments.target import store_of, target
from isheep.cli.terminal.command_line import command_line
from isheep.cli.terminal.errors import BadInputError
from isheep.cluster.client import Cluster
from isheep.contract.store_spec import StoreSpec, parse_store_uri
from isheep.kube.cache.records import run_record
from isheep.local.stored_run import StoredRun
from isheep.planner.types import RunView
from isheep.store import open_store

DEFAULT_NAMESPACE = "default"


def open_run(
    argument: str, namespace: str | None, context: str | None, store: str | None
) -> OpenRun:
    """Return the run of an argument with its store.

    Without a namespace, a context and a store, a name belongs to the local store, and stderr gets
    the location of this store.

    Raises:
        SpecError: The file cannot be used.
        BadInputError: An option cannot be used, or the store of a cluster's run is unknown.
        ClusterError: The cluster cannot be used as requested.
        ClusterUnreachableError: The API server does not answer.
        StoreError: The store cannot be opened.
    """
    place = place_of(argument, namespace, context, store)
    if place is Place.FILE:
        return target(Path(argument), store)
    if place is Place.CLUSTER:
        return _on_cluster(Cluster.connect(namespace, context), argument, context, store)
    spec = store_of(None, store)
    if store is None:
        typer.echo(f"{argument}: in the store {spec.uri}", err=True)
    opened = open_store(spec)
    chosen = namespace or DEFAULT_NAMESPACE
    remedy = (
        f"`{command_line('list', '--store', spec.uri)}` prints its runs; name another store with "
        "--store, or a cluster with -n or --context"
    )
    words = (argument, "--store", spec.uri, *(("-n", namespace) if namespace else ()))
    return OpenRun(words, opened, StoredRun(opened, chosen, argument), remedy)


def view_of(document: dict[str, Any]) -> RunView:
    """Return the run in a document of the API server."""
    return run_record(document, whole=True).view()


def words_on_cluster(name: str, namespace: str, context: str | None) -> tuple[str, ...]:
    """Return the arguments that name a run on a cluster in a command line."""
    return (name, "-n", namespace, *(("--context", context) if context else ()))


def _on_cluster(cluster: Cluster, name: str, context: str | None, store: str | None) -> OpenRun:
    view = view_of(cluster.get(name))
    opened = open_store(store_on_cluster(view, store))
    words = words_on_cluster(name, cluster.namespace, context)
    stored = StoredRun(opened, view.namespace, view.name)
    return OpenRun(words, opened, stored, "the cluster has the run", view)


def store_on_cluster(view: RunView, option: str | None) -> StoreSpec:
    """Return the store of the option or of the spec, or the one in which the newest model is.

    A run without `spec.storage` uses the operator's default, which its users may not read.
    """
    if option is not None:
        return store_of(None, option)
    given = view.spec.get("storage")
    if given is not None:
        return store_of(Storage.read_stored(given), None)
    status = view.status
    for uri in (status.last_model_uri, status.model_uri, status.report_uri):
        location, found, _ = (uri or "").rpartition(f"/{view.namespace}/stages/")
        if found:
            return parse_store_uri(location)
    raise BadInputError(
        f"run {view.name} in namespace {view.namespace} has no spec.storage, and its status names "
        "no model and no report yet: wait for the end of an iteration, or name the store of the "
        "operator with --store"
    )
