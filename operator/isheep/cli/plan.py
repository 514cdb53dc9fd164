"""`isheep plan FILE`: all stages of a run, which of them exist, and what an edit changes."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isheep.cli.options import Output, RunFile, SetValues, Store

if TYPE_CHECKING:
    from isheep.local.run_forecast import RunForecast
    from isheep.planner.forecast import ForecastStage

KEY_DIGITS = 16
NO_KEY = "-"


def command(
    file: RunFile,
    store: Store = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Print text, or the plan as JSON.")
    ] = Output.TEXT,
    given: SetValues = None,
) -> None:
    """Print all stages of a run, which of them exist, and what an edit of the file changes."""
    from isheep.cli.set_option import set_values
    from isheep.cli.target import target
    from isheep.cli.text import printable
    from isheep.local.lock import executing_process
    from isheep.local.run_forecast import forecast_run
    from isheep.local.session import utc_now

    chosen = target(file, store, set_values(given))
    metadata = chosen.run.metadata
    found = forecast_run(
        chosen.store, chosen.stored, chosen.spec, metadata.annotations, now=utc_now()
    )
    executed = executing_process(chosen.stored.ref.uid, os.environ) is not None
    running = found.current_key if executed else None
    if output is Output.JSON:
        typer.echo(json.dumps(_document(found, running), indent=2, ensure_ascii=False))
        return
    for line in _lines(found, running):
        typer.echo(printable(line))


def _document(found: RunForecast, running: str | None) -> dict[str, Any]:
    """Return the plan as JSON values; docs/how-to/watch-a-run.md documents them.

    `running` is the key of the stage that a process of this machine executes.
    """
    stages = [
        {
            "id": one.stage.id,
            "key": one.key,
            "exists": one.result is not None,
            "running": _runs(one, running),
            "predicted": one.predicted,
            "items": one.stage.items,
            "changedBy": list(found.causes.get(one.stage.id, ())),
        }
        for one in found.forecast.stages
    ]
    failure = found.forecast.end.failure
    return {
        "store": found.store,
        "storeError": found.store_error,
        "preparedBy": found.prepared_by,
        "comparedWith": found.compared_with,
        "edited": list(found.edited),
        "stages": stages,
        "toDo": {
            "stages": len(found.to_do),
            "completions": found.work.completions,
            "optimizerStepsAtMost": found.work.optimizer_steps,
            "tokensAtMost": found.cost.tokens,
            "seconds": found.cost.seconds,
            "gpuHours": None if found.cost.gpu_seconds is None else found.cost.gpu_seconds / 3600,
            "bytes": found.cost.bytes,
            "unmeasured": [str(kind) for kind in found.cost.unmeasured],
            "measuredBy": list(found.measured_by),
        },
        "failure": None
        if failure is None
        else {"reason": failure.reason, "message": failure.message},
    }


def _runs(one: ForecastStage, running: str | None) -> bool:
    return one.result is None and one.key is not None and one.key == running


def _lines(found: RunForecast, running: str | None) -> list[str]:
    stages = found.forecast.stages
    lines = [f"store: {found.store}"]
    if found.store_error is not None:
        lines.append(f"the store cannot be read, so the plan shows no result: {found.store_error}")
    if found.edited:
        lines.append(f"changed since {found.compared_with}: {', '.join(found.edited)}")
    lines += _expectation(found)
    width = max(len(one.stage.id) for one in stages)
    lines += [_line(one, width, found, running) for one in stages]
    failure = found.forecast.end.failure
    if failure is not None:
        lines.append(f"then the run fails with {failure.reason}: {failure.message}")
    lines.append(_summary(found))
    if found.to_do:
        lines.append(_cost(found))
    return lines


def _expectation(found: RunForecast) -> list[str]:
    if found.prepare_fields:
        return [
            f"prepare computes its result from {', '.join(found.prepare_fields)}; the stages that "
            "exist are known after prepare"
        ]
    if found.prepared_by is not None:
        return [f"expected of prepare: the result that it had in {found.prepared_by}"]
    return []


def _line(one: ForecastStage, width: int, found: RunForecast, running: str | None) -> str:
    key = NO_KEY if one.key is None else one.key[:KEY_DIGITS]
    words = ["exists" if one.result is not None else "to do"]
    if _runs(one, running):
        words = ["running"]
    if one.stage.items is not None:
        words.append(f"{one.stage.items} items")
    if one.predicted:
        words.append("predicted")
    line = f"{one.stage.id:<{width}}  {key:<{KEY_DIGITS}}  {', '.join(words)}"
    fields = found.causes.get(one.stage.id)
    return f"{line}; changed by {', '.join(fields)}" if fields else line


def _cost(found: RunForecast) -> str:
    from isheep.cli.du import size
    from isheep.cli.rates import duration

    known = found.cost
    tokens = f"at most {known.tokens:,} generated tokens"
    if known.seconds is None or known.gpu_seconds is None or known.bytes is None:
        kinds = ", ".join(known.unmeasured)
        return (
            f"{tokens}; time, GPU-hours and size are unknown, because no run of this model in the "
            f"store has measured {kinds}"
        )
    return (
        f"{tokens}; about {duration(known.seconds)}, {known.gpu_seconds / 3600:.2f} GPU-hours and "
        f"{size(round(known.bytes))} in the store, at the rates of {', '.join(found.measured_by)}"
    )


def _summary(found: RunForecast) -> str:
    to_do = found.to_do
    if not to_do:
        return "nothing to do"
    steps = found.work.optimizer_steps
    trainings = "an unknown number of" if steps is None else f"at most {steps}"
    line = (
        f"to do: {len(to_do)} of {len(found.forecast.stages)} stages, "
        f"{found.work.completions} completions of new instructions, {trainings} optimizer steps"
    )
    if any(one.predicted for one in to_do):
        line += "; the prediction has one round for each collection of items, and can need more"
    return line
