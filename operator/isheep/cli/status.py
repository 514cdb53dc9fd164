"""`isheep status FILE`: print the state of a run."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isheep.cli.options import Output, RunFile, Store

if TYPE_CHECKING:
    from isheep.cli.target import Target
    from isheep.planner.types import RunView


ADAPTER_NOTE = " (an adapter, to be loaded with the base model)"


WATCH_SECONDS = 2.0
"""The time between two looks at a run that is watched."""


def command(
    file: RunFile,
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
    import time

    from isheep.cli.target import target

    chosen = target(file, store)
    before: list[str] = []
    while True:
        lines, ended = _state(chosen, output, indent=None if watch else 2)
        if lines != before:
            typer.echo("\n".join(lines))
        if ended or not watch:
            return
        before = lines
        time.sleep(WATCH_SECONDS)


def _state(chosen: Target, output: Output, *, indent: int | None) -> tuple[list[str], bool]:
    """Return the lines about a run, and whether nothing more happens to it by itself."""
    from isheep.cli.command_line import command_line
    from isheep.cli.text import printable
    from isheep.local.lock import executing_process
    from isheep.local.shown_status import shown_status

    view = chosen.submitted()
    holder = executing_process(view.uid, os.environ)
    shown = shown_status(
        view,
        executed=holder is not None,
        store_uri=chosen.store.uri,
        report_uri=chosen.report_uri(),
    )
    if output is Output.JSON:
        return [json.dumps(shown, indent=indent, ensure_ascii=False)], holder is None
    lines = _lines(view, shown, holder, command_line("run", chosen.file))
    return [printable(line) for line in lines], holder is None


def _lines(view: RunView, shown: Mapping[str, Any], holder: int | None, again: str) -> list[str]:
    from isheep.local.conclusion import conclusion_of

    status = view.status
    lines = [f"{view.name}: {shown['phase']}"]
    if status.progress:
        lines[0] += f", {status.progress}"
    lines += [
        f"  {c.type}: {c.reason}" + (f": {c.message}" if c.message else "")
        for c in status.conditions
        if c.status == "True"
    ]
    conclusion = conclusion_of(status, view.generation)
    if conclusion is not None and conclusion.remedy:
        lines.append(f"  what to do: {conclusion.remedy}")
    for record in status.history:
        # An iteration that answers the instructions of an earlier iteration accepts none.
        accepted = "" if record.accepted is None else f"accepted {record.accepted}, "
        score = "" if record.mean_score is None else f", mean score {record.mean_score:.2f}"
        lines.append(f"  iteration {record.iteration}: {accepted}kept {record.kept}{score}")
    if "modelUri" in shown:
        adapter = view.spec.get("training", {}).get("handover") == "Adapter"
        lines.append(f"  model: {shown['modelUri']}" + (ADAPTER_NOTE if adapter else ""))
    if "reportUri" in shown:
        lines.append(f"  report: {shown['reportUri']}")
    if holder is not None:
        lines.append(f"  running on this machine in process {holder}")
    elif shown["phase"] == "Interrupted":
        lines.append(f"  no process on this machine executes it; to resume: {again}")
    return lines
