"""`isheep wait NAME -n NAMESPACE`: wait until a run on a cluster ends.

The exit code is for scripts. It is 0 only if the run ends as awaited. If the run fails instead, the
code is that of `isheep run` for the same cause.
"""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.arguments.options import Context, Namespace, RunName
from isheep.contract.choices import EndCondition
from isheep.contract.exit_codes import ExitCode

if TYPE_CHECKING:
    from isheep.cluster.client import Cluster
    from isheep.local.conclusion import Conclusion
    from isheep.planner.types import RunView

ENDED_OTHERWISE = 1
"""The run is complete, but its failure was awaited; or the run was deleted."""
TIME_IS_OVER = 124
"""The time limit is over, as `timeout` of coreutils reports it."""


def command(
    name: RunName,
    namespace: Namespace = None,
    context: Context = None,
    awaited: Annotated[
        EndCondition, typer.Option("--for", help="Exit with 0 if the run ends with this condition.")
    ] = "Complete",
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="TIME",
            help="Stop after this time, such as 30m or 2h [default: no limit].",
        ),
    ] = None,
) -> None:
    """Wait until a run on a cluster ends, and exit with a code for how it has ended.

    An outage of the API server for less than ten minutes does not end the command.
    """
    from isheep.cli.arguments.run_argument import name_on_cluster
    from isheep.cli.arguments.time_limit import seconds_of
    from isheep.cluster.client import Cluster

    run = name_on_cluster(name, namespace, context)
    seconds = None if timeout is None else seconds_of("--timeout", timeout)
    try:
        code = _wait(Cluster.connect(namespace, context), run, awaited, seconds)
    except KeyboardInterrupt:
        _say(f"{run}: the wait has stopped; the run goes on")
        code = ExitCode.STOPPED
    raise typer.Exit(code)


def exit_code_of(conclusion: Conclusion, awaited: EndCondition) -> int:
    """Return the exit code after a run has ended with Complete or Failed."""
    if conclusion.end == ("Succeeded" if awaited == "Complete" else "Failed"):
        return ExitCode.DONE
    return conclusion.exit_code or ENDED_OTHERWISE


def _wait(cluster: Cluster, run: str, awaited: EndCondition, seconds: float | None) -> int:
    from isheep.cli.arguments.opening import view_of
    from isheep.cluster.following import RunDeletedError, follow
    from isheep.local.conclusion import conclusion_of
    from isheep.planner.restart import is_over

    before = ""
    try:
        for document in follow(cluster, run, note=_say, seconds=seconds):
            view = view_of(document)
            conclusion = conclusion_of(view.status, view.generation)
            if conclusion is not None and is_over(view):
                typer.echo(_line(view, conclusion))
                return exit_code_of(conclusion, awaited)
            state = "" if conclusion is None else _line(view, conclusion)
            if state not in ("", before):
                _say(f"{state}; the wait goes on")
            before = state
    except RunDeletedError as error:
        _say(f"isheep: {error}")
        return ENDED_OTHERWISE
    _say(f"isheep: {run} has not ended within the time limit; the run goes on")
    return TIME_IS_OVER


def _line(view: RunView, conclusion: Conclusion) -> str:
    from isheep.cli.terminal.text import printable

    message = f": {conclusion.message}" if conclusion.message else ""
    return printable(f"{view.name}: {conclusion.end}{message}")


def _say(text: str) -> None:
    typer.echo(text, err=True)
