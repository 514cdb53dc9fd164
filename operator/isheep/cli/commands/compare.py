"""`isheep compare RUN RUN`: the specs, funnels and figures of runs side by side."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isheep.cli.arguments import suggestions
from isheep.cli.arguments.options import AnyContext, AnyNamespace, Output, Store

if TYPE_CHECKING:
    from isheep.cli.comparison.compared_run import ComparedRun

ABSENT = "-"


def command(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN",
            help="Two or more runs: their YAML files, or their names in one store or namespace.",
            autocompletion=suggestions.runs,
        ),
    ],
    namespace: AnyNamespace = None,
    context: AnyContext = None,
    store: Store = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Print text, or the comparison as JSON.")
    ] = Output.TEXT,
) -> None:
    """Print the specs, funnels and figures of runs side by side, with what they rest on.

    The files of runs may name different stores. The names are of one store and one namespace. The
    command says how runs differ. It does not say that one is better.
    """
    from isheep.cli.comparison.compared_run import compared_runs
    from isheep.cli.terminal.text import printable

    found = compared_runs(runs, namespace, context, store, os.environ)
    for run in found:
        for line in run.remarks:
            typer.echo(printable(line), err=True)
    if output is Output.JSON:
        typer.echo(json.dumps(_document(found), indent=2, ensure_ascii=False))
        return
    for line in _lines(found):
        typer.echo(printable(line))


def _document(runs: Sequence[ComparedRun]) -> dict[str, Any]:
    """Return the comparison as JSON values; docs/how-to/watch-a-run.md documents them."""
    from isheep.cli.comparison.comparison import NOTE, YARDSTICK_NOTE, differences

    def differing(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"field": d.field, "values": list(d.values)} for d in differences(values)]

    return {
        "runs": [run.document() for run in runs],
        "spec": differing([run.spec for run in runs]),
        "pinned": differing([run.pinned for run in runs]),
        "notes": [NOTE, YARDSTICK_NOTE],
    }


def _lines(runs: Sequence[ComparedRun]) -> Iterator[str]:
    from isheep.cli.comparison.comparison import NOTE, YARDSTICK_NOTE, differences

    for run in runs:
        yield f"{run.title}: {run.location}: {run.phase}, finished iterations: {run.finished}"
    titles = [run.title for run in runs]
    for heading, values in (
        ("fields of the spec that differ", [run.spec for run in runs]),
        ("pinned values that differ", [run.pinned for run in runs]),
    ):
        rows = [(d.field, *map(_value, d.values)) for d in differences(values)]
        yield ""
        yield from _table((heading, *titles), rows) if rows else (f"{heading}: none",)
    for t in sorted({t for run in runs for t in (*run.funnels, *run.history)}):
        yield from _iteration(t, runs, titles)
    yield from _seeds(runs)
    yield ""
    yield NOTE
    records = [record for run in runs for record in run.history.values()]
    if any(one.yardstick or one.benchmark or one.judgement or one.grades for one in records):
        yield YARDSTICK_NOTE


def _seeds(runs: Sequence[ComparedRun]) -> Iterator[str]:
    """Yield the lines about runs that differ in their random seed only, if there are enough."""
    from isheep.cli.comparison.seed_groups import SeededRun, seed_lines

    found = []
    for run in runs:
        # Another image with the same versions of the stages changes nothing.
        pinned = {name: value for name, value in run.pinned.items() if name != "workerImage"}
        found.append(SeededRun(run.title, run.spec, run.history, pinned))
    lines = list(seed_lines(found))
    if lines:
        yield ""
        yield from lines


def _iteration(t: int, runs: Sequence[ComparedRun], titles: Sequence[str]) -> Iterator[str]:
    from isheep.cli.comparison.comparison import figures, funnel_lines
    from isheep.cli.figures.record_texts import record_texts

    lines = funnel_lines([run.funnel(t) for run in runs])
    if lines:
        rows = [(_label(line.label, line.kind), *map(_value, line.counts)) for line in lines]
        yield ""
        yield from _table((f"iteration {t}: funnel", *titles), rows)
    records = [run.history.get(t) for run in runs]
    of_runs = [{f.name: f for f in figures(record)} if record else {} for record in records]
    names = list(dict.fromkeys(name for of_run in of_runs for name in of_run))
    if names:
        rows = [
            (name, *(of_run[name].text if name in of_run else ABSENT for of_run in of_runs))
            for name in names
        ]
        yield ""
        yield from _table((f"iteration {t}: figures", *titles), rows)
    for run, record in zip(runs, records, strict=True):
        for text in () if record is None else record_texts(record):
            yield f"{run.title}: {text}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; no cell is cut."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _label(label: str, kind: str) -> str:
    """Return the label of a line of a funnel with its sign, if the line changes the count."""
    return {"drop": f"  - {label}", "added": f"  + {label}", "note": f"  ({label})"}.get(
        kind, label
    )


def _value(value: object) -> str:
    """Return a JSON value on one line, a text without its quotes."""
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
