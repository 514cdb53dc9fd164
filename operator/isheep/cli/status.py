"""`isheep status FILE`: where a run stands."""
# ruff: noqa: PLC0415  (a verb imports what it needs when it runs)

from __future__ import annotations

import json
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.options import RunFile, Store

if TYPE_CHECKING:
    from isheep.planner.types import RunView


ADAPTER_NOTE = " (an adapter, to be loaded beside the base model)"


class Output(StrEnum):
    """The forms of the answer."""

    TEXT = "text"
    JSON = "json"


def command(
    file: RunFile,
    store: Store = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="json is the status document of the run.")
    ] = Output.TEXT,
) -> None:
    """Say where a run stands."""
    from isheep.cli.target import target
    from isheep.cli.text import printable

    view = target(file, store).handed_in()
    if output is Output.JSON:
        typer.echo(json.dumps(view.status.document(), indent=2, ensure_ascii=False))
        return
    for line in _lines(view):
        typer.echo(printable(line))


def _lines(view: RunView) -> list[str]:
    from isheep.local.lock import holder_of
    from isheep.local.paths import LocalPaths

    status = view.status
    lines = [f"{view.name}: {status.phase or 'Pending'}"]
    if status.progress:
        lines[0] += f", {status.progress}"
    lines += [
        f"  {c.type}: {c.reason}" + (f": {c.message}" if c.message else "")
        for c in status.conditions
        if c.status == "True"
    ]
    for record in status.history:
        # An iteration that answers an earlier one's instructions accepts none.
        accepted = "" if record.accepted is None else f"accepted {record.accepted}, "
        score = "" if record.mean_score is None else f", mean score {record.mean_score:.2f}"
        lines.append(f"  iteration {record.iteration}: {accepted}kept {record.kept}{score}")
    if status.model_uri:
        adapter = view.spec.get("training", {}).get("handover") == "Adapter"
        lines.append(f"  model: {status.model_uri}" + (ADAPTER_NOTE if adapter else ""))
    if status.report_uri:
        lines.append(f"  report: {status.report_uri}")
    holder = holder_of(LocalPaths.of(view.uid, os.environ).lock)
    if holder is not None:
        lines.append(f"  process {holder} on this machine is carrying it out")
    elif status.phase == "Running":
        lines.append("  nothing on this machine is carrying it out; `isheep run` goes on")
    return lines
