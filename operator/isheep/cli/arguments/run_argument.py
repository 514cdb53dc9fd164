"""Whether an argument is a file or a run's name, and where the run is.

An argument is a file if it ends in `.yaml` or `.yml`, contains a slash, or is `-`. Otherwise it is
a run's name. A name belongs to a cluster if the user names a context, or a namespace and no store.
Otherwise it belongs to a store, and a namespace is then one of the store.
"""
# ruff: noqa: PLC0415  (the loader imports pydantic)

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from isheep.cli.arguments.outputs import PIPE
from isheep.cli.terminal.errors import BadInputError

if TYPE_CHECKING:
    from isheep.api.reading.loader import LoadedRun
    from isheep.api.reading.set_values import SetValue


class Place(StrEnum):
    """Where the run of an argument is."""

    FILE = "file"
    STORE = "store"
    CLUSTER = "cluster"


def is_file(argument: str) -> bool:
    """Return whether an argument is a file; otherwise it is a run's name."""
    return argument == PIPE or "/" in argument or argument.endswith((".yaml", ".yml"))


def on_cluster(namespace: str | None, context: str | None, store: str | None) -> bool:
    """Return whether the options name a cluster; otherwise they name a store."""
    return bool(context or (namespace and not store))


def place_of(argument: str, namespace: str | None, context: str | None, store: str | None) -> Place:
    """Return where the run of an argument is; raises `BadInputError`."""
    if not argument:
        raise BadInputError("the name of the run is empty; give a file or the name of a run")
    if not is_file(argument):
        return Place.CLUSTER if on_cluster(namespace, context, store) else Place.STORE
    if namespace or context:
        raise BadInputError(
            f"{argument}: this is a file, but -n and --context need the name of a run; the name is "
            "metadata.name of the file"
        )
    return Place.FILE


def name_on_cluster(argument: str, namespace: str | None, context: str | None) -> str:
    """Return the run's name for a command that works on a cluster only; raises `BadInputError`."""
    if is_file(argument):
        raise BadInputError(
            f"{argument}: this is a file; the command needs the name of a run on a cluster"
        )
    if not argument:
        raise BadInputError("the name of the run is empty; give the name of a run on a cluster")
    if not (namespace or context):
        raise BadInputError(
            f"{argument}: without -n and --context, a name is a run of the local store, and this "
            "command works on a cluster only; add -n NAMESPACE or --context CONTEXT"
        )
    return argument


def load_file(argument: str, set_values: Sequence[SetValue] = ()) -> LoadedRun:
    """Return the run in a file, or in stdin for `-`, with the set values; raises `SpecError`."""
    from isheep.api.reading.loader import load_bytes, load_run

    if argument == PIPE:
        return load_bytes(sys.stdin.buffer.read(), "<stdin>", set_values)
    return load_run(Path(argument), set_values=set_values)
