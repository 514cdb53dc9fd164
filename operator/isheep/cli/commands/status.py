"""`isheep status RUN`: print the state of a run."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isheep.cli.arguments.options import AnyContext, AnyNamespace, AnyRun, Output, Store

if TYPE_CHECKING:
    from isheep.api.status import IterationRecord
    from isheep.cli.arguments.open_run import OpenRun
    from isheep.cluster.client import Cluster
    from isheep.planner.types import RunView


ADAPTER_NOTE = " (an adapter, to be loaded with the base model)"


WATCH_SECONDS = 2.0
"""The time between two looks at a run that is watched."""

State = tuple[dict[str, Any], list[str], bool]
"""The status as JSON values, its lines, and whether nothing more happens to the run by itself."""


def command(
    run: AnyRun,
    namespace: AnyNamespace = None,
    context: AnyContext = None,
    store: Store = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Print text, or the status of the run as JSON.")
    ] = Output.TEXT,
    *,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            "-w",
            help="Print each change until the run ends; with -o json, one object a line.",
        ),
    ] = False,
) -> None:
    """Print the state of a run."""
    from isheep.cli.arguments.opening import open_run
    from isheep.cli.arguments.run_argument import Place, place_of
    from isheep.cli.terminal.text import printable
    from isheep.cluster.client import Cluster

    if place_of(run, namespace, context, store) is Place.CLUSTER:
        states = _states_on_cluster(Cluster.connect(namespace, context), run)
    else:
        states = _states_in_store(open_run(run, namespace, context, store))
    before: list[str] = []
    for shown, text, ended in states:
        lines = [printable(line) for line in text]
        if output is Output.JSON:
            lines = [json.dumps(shown, indent=None if watch else 2, ensure_ascii=False)]
        if lines != before:
            typer.echo("\n".join(lines))
        if ended or not watch:
            return
        before = lines


def _states_in_store(chosen: OpenRun) -> Iterator[State]:
    """Yield the state of a run in a store, again and again."""
    import time

    from isheep.api.reading.set_values import set_text
    from isheep.local.lock import executing_process
    from isheep.local.shown_status import shown_status

    while True:
        view = chosen.submitted()
        holder = executing_process(view.uid, os.environ)
        shown = shown_status(
            view,
            executed=holder is not None,
            store_uri=chosen.store.uri,
            report_uri=chosen.report_uri(),
        )
        lines = _lines(view, shown)
        if holder is not None:
            lines.append(f"  running on this machine in process {holder}")
        elif shown["phase"] == "Interrupted":
            lines.append(
                f"  no process on this machine executes it; to resume: {chosen.resumption}"
            )
        if values := chosen.stored.set_values():
            shown["set"] = values
            texts = (set_text(name, value) for name, value in values.items())
            lines.append(f"  set on the command line: {', '.join(texts)}")
        yield shown, lines, holder is None
        time.sleep(WATCH_SECONDS)


def _states_on_cluster(cluster: Cluster, run: str) -> Iterator[State]:
    """Yield the state of a run on a cluster after each change; raises `BadInputError`."""
    from isheep.cli.arguments.opening import view_of
    from isheep.cli.terminal.errors import BadInputError
    from isheep.cluster.following import RunDeletedError, follow
    from isheep.planner.restart import is_over

    try:
        for document in follow(cluster, run, note=lambda text: typer.echo(text, err=True)):
            view = view_of(document)
            shown = {"phase": "Pending", **(document.get("status") or {})}
            yield shown, _lines(view, shown), is_over(view)
    except RunDeletedError as error:
        raise BadInputError(str(error)) from error


def _lines(view: RunView, shown: Mapping[str, Any]) -> list[str]:
    from isheep.cli.figures.best_text import best_text
    from isheep.cli.figures.gpu_text import gpu_text
    from isheep.local.conclusion import conclusion_of

    status = view.status
    lines = [f"{view.name}: {shown['phase']}"]
    if status.progress:
        lines[0] += f", {status.progress}"
    lines += [
        f"  {c.type}: {c.reason}" + (f": {c.message}" if c.message else "")
        for c in status.conditions
        # A condition that is false says nothing, except that a measurement has failed.
        if c.status == "True" or c.type == "Evaluated"
    ]
    conclusion = conclusion_of(status, view.generation)
    if conclusion is not None and conclusion.remedy:
        lines.append(f"  what to do: {conclusion.remedy}")
    for record in status.history:
        lines += _iteration_lines(record)
    if status.gpu is not None and (gpu := gpu_text(status.gpu)) is not None:
        lines.append(f"  GPU time: {gpu}")
    if status.best is not None:
        lines.append(f"  best: {best_text(status.best)}")
    adapter = view.spec.get("training", {}).get("handover") == "Adapter"
    for label, name in (("model", "modelUri"), ("last model", "lastModelUri")):
        if name in shown and (name == "modelUri" or shown[name] != shown.get("modelUri")):
            is_adapter = adapter and "/stages/" in shown[name]
            lines.append(f"  {label}: {shown[name]}" + (ADAPTER_NOTE if is_adapter else ""))
    if "reportUri" in shown:
        lines.append(f"  report: {shown['reportUri']}")
    return lines


def _iteration_lines(record: IterationRecord) -> Iterator[str]:
    from isheep.cli.figures.record_texts import record_texts

    # An iteration that answers the instructions of an earlier iteration accepts none.
    accepted = "" if record.accepted is None else f"accepted {record.accepted}, "
    score = "" if record.mean_score is None else f", mean score {record.mean_score:.2f}"
    if record.iteration:
        yield f"  iteration {record.iteration}: {accepted}kept {record.kept}{score}"
    for text in record_texts(record):
        yield f"    {text}"
