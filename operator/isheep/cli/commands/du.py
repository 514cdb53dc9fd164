"""`isheep du`: how many bytes of a store each run uses."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.arguments.options import Output, Store
from isheep.cli.figures.size_text import size

if TYPE_CHECKING:
    from isheep.store.usage import Usage


def command(
    store: Store = None,
    namespace: Annotated[
        str,
        typer.Option("--namespace", "-n", metavar="NAMESPACE", help="Count this namespace only."),
    ] = "default",
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Print text, or the bytes as JSON.")
    ] = Output.TEXT,
) -> None:
    """Print how many bytes of a store each run uses, alone and together with other runs."""
    from isheep.cli.arguments.target import store_of
    from isheep.cli.terminal.text import printable
    from isheep.store import open_store
    from isheep.store.usage import usage

    found = usage(open_store(store_of(None, store)), namespace)
    if output is Output.JSON:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return
    for line in _lines(found):
        typer.echo(printable(line))


def _lines(found: Usage) -> Iterator[str]:
    width = max([len("RUN"), *(len(run.name) for run in found.runs)])
    yield f"{'RUN':<{width}}  {'STAGES':>6}  {'SIZE':>10}  {'ALONE':>10}"
    for run in found.runs:
        sizes = f"{size(run.bytes):>10}  {size(run.bytes_alone):>10}"
        yield f"{run.name:<{width}}  {run.stages:>6}  {sizes}"
    yield (
        f"stages: {size(found.stages)}, of which no run uses {size(found.unused)}; "
        f"unfinished work: {size(found.work)}; reports, logs and states: {size(found.documents)}"
    )
