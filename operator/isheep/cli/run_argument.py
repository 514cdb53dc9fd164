"""Whether an argument is a file or a run's name, and where the run is.

An argument is a file if it ends in `.yaml` or `.yml`, contains a slash, or is `-`. Otherwise it is
a run's name. A name belongs to a cluster only if the user names a namespace or a context.
"""

from __future__ import annotations

from isheep.cli.errors import BadInputError


def is_file(argument: str) -> bool:
    """Return whether an argument is a file; otherwise it is a run's name."""
    return argument == "-" or "/" in argument or argument.endswith((".yaml", ".yml"))


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
