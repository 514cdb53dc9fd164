"""`isheep plan FILE`: all stages of a run, which of them exist, and what an edit changes."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isheep.cli.arguments.options import Output, RunFile, SetValues, Store

if TYPE_CHECKING:
    from isheep.cli.figures.cost_text import Money
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
    from isheep.cli.arguments.local_prices import local_prices
    from isheep.cli.arguments.set_option import set_values
    from isheep.cli.arguments.target import target
    from isheep.cli.figures.cost_text import money_of
    from isheep.cli.figures.detectable_text import detectable, detectable_lines
    from isheep.cli.terminal.text import printable
    from isheep.local.devices import visible_devices
    from isheep.local.lock import executing_process
    from isheep.local.run_forecast import forecast_run
    from isheep.local.session import utc_now

    chosen = target(file, store, set_values(given))
    metadata = chosen.run.metadata
    found = forecast_run(
        chosen.store,
        chosen.stored,
        chosen.spec,
        metadata.annotations,
        now=utc_now(),
        on_gpus=bool(visible_devices(os.environ)),
    )
    price = money_of(found.cost, chosen.run.spec, local_prices(os.environ))
    executed = executing_process(chosen.stored.ref.uid, os.environ) is not None
    running = found.current_key if executed else None
    evaluation = chosen.run.spec.evaluation
    least = detectable(() if evaluation is None else evaluation.benchmarks)
    if output is Output.JSON:
        document = _document(found, running, price) | {"detectable": least}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for line in (*_lines(found, running, price), *detectable_lines(least)):
        typer.echo(printable(line))


def _document(found: RunForecast, running: str | None, price: Money | None) -> dict[str, Any]:
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
        "trainsAgain": _trained_again(found),
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
            "measuredBy": list(found.cost.measured_by),
            "measuredOn": found.cost.device,
            "price": None if price is None else price.amount,
            "currency": None if price is None else price.currency,
        },
        "failure": None
        if failure is None
        else {"reason": failure.reason, "message": failure.message},
    }


def _runs(one: ForecastStage, running: str | None) -> bool:
    return one.result is None and one.key is not None and one.key == running


def _lines(found: RunForecast, running: str | None, price: Money | None) -> list[str]:
    from isheep.cli.figures.cost_text import cost_text

    stages = found.forecast.stages
    lines = [f"store: {found.store}"]
    if found.store_error is not None:
        lines.append(f"the store cannot be read, so the plan shows no result: {found.store_error}")
    if found.edited:
        lines.append(f"changed since {found.compared_with}: {', '.join(found.edited)}")
    lines += _expectation(found)
    lines += _training(found)
    width = max(len(one.stage.id) for one in stages)
    lines += [_line(one, width, found, running) for one in stages]
    failure = found.forecast.end.failure
    if failure is not None:
        lines.append(f"then the run fails with {failure.reason}: {failure.message}")
    lines.append(_summary(found))
    if found.to_do:
        lines.append(cost_text(found.cost, price))
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


def _training(found: RunForecast) -> list[str]:
    """Return the line that says whether an edit trains a model again."""
    if not found.edited or found.prepare_fields:
        return []
    from isheep.contract.stage_ids import iteration_of

    again = _trained_again(found)
    if not again:
        return ["the change trains no model again"]
    models = ", ".join(f"M({iteration_of(id_)})" for id_ in again)
    fields = dict.fromkeys(field for id_ in again for field in found.causes.get(id_, ()))
    cause = f", because of {', '.join(fields)}" if fields else ""
    return [f"the change trains {models} again{cause}"]


def _trained_again(found: RunForecast) -> list[str]:
    """Return the training stages that exist for the spec of before, and not for that of now."""
    from isheep.recipes.stage_kinds import StageKind, kind_of

    return [id_ for id_ in found.repeated if kind_of(id_) is StageKind.TRAIN]


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
