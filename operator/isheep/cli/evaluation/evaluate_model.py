"""`isheep evaluate MODEL --task TASK`: evaluate one model on benchmarks, on this machine.

The command makes a run of the internal recipe EvaluateOnly, executes it as `isheep run` executes a
run, and prints the figures. It starts prepare, evaluate and score, and no other stage.
"""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from isheep.cli.arguments.open_run import OpenRun
    from isheep.cli.evaluation.added_benchmark import AddedBenchmark
    from isheep.cli.evaluation.evaluated_model import EvaluatedModel
    from isheep.contract.choices import EngineType
    from isheep.local.conclusion import Conclusion
    from isheep.planner.types import Environment

_ENGINE_FIELD = "spec.engine"


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The options of the command for a model."""

    argument: str
    revision: str | None
    benchmarks: Sequence[AddedBenchmark]
    set_values: Sequence[str]
    store: str | None
    results: str | None
    as_json: bool
    plain: bool
    allow_cpu: bool


def evaluate_model(chosen: ModelOptions, environment: Environment) -> None:
    """Evaluate a model and print its figures.

    Raises:
        typer.Exit: The evaluation ended with an error, or was stopped; with the exit code.
        BadInputError: An option cannot be used.
        SpecError: An option has a value that the API does not allow.
    """
    from isheep.cli.arguments.open_run import OpenRun
    from isheep.cli.arguments.set_option import set_values
    from isheep.cli.arguments.target import store_of
    from isheep.cli.evaluation.evaluated_model import evaluated_model, model_uri
    from isheep.cli.progress.local_execution import check_gpus
    from isheep.local.stored_run import StoredRun
    from isheep.store import open_store

    _check_results(chosen.results)
    model = evaluated_model(
        model_uri(chosen.argument),
        chosen.revision,
        chosen.benchmarks,
        engine=_engine(chosen.set_values),
        set_values=set_values(chosen.set_values),
        mirrors=environment.mirrors,
    )
    if not chosen.allow_cpu:
        check_gpus(model.spec)
    store_spec = store_of(None, chosen.store)
    opened = open_store(store_spec)
    run = OpenRun(
        (model.name, "--store", store_spec.uri),
        opened,
        StoredRun(opened, "default", model.name),
        "evaluate the model again",
    )
    conclusion = _execute(chosen, model, run, replace(environment, default_storage=store_spec))
    if conclusion.end == "Succeeded":
        _show(chosen, run)
    else:
        _explain(run.ref.name, conclusion)
    raise typer.Exit(conclusion.exit_code)


def _engine(set_values: Sequence[str]) -> EngineType:
    """Return vLLM if this machine can run it, else Transformers; say which one on stderr."""
    from importlib.util import find_spec

    from isheep.local.devices import visible_devices

    if any(text.startswith(_ENGINE_FIELD) for text in set_values):
        return "VLLM"  # A set value changes it.
    missing = "no GPU is visible" if not visible_devices(os.environ) else "vllm is not installed"
    if visible_devices(os.environ) and find_spec("vllm") is not None:
        return "VLLM"
    typer.echo(
        f"engine Transformers, because {missing}; --set spec.engine.type=VLLM changes it", err=True
    )
    return "Transformers"


def _check_results(folder: str | None) -> None:
    from isheep.cli.terminal.errors import BadInputError

    if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
        raise BadInputError(f"--results {folder}: this is a file; name a folder")


def _execute(
    chosen: ModelOptions, model: EvaluatedModel, run: OpenRun, environment: Environment
) -> Conclusion:
    from rich.console import Console

    from isheep.cli.progress import ending
    from isheep.cli.progress.local_execution import execute, progress_view

    # With JSON, stdout has the document only.
    console = Console(stderr=True, highlight=False) if chosen.as_json else ending.console()
    live = console.is_terminal and not chosen.plain
    with progress_view(
        model.name, 1, console, live=live, quiet=chosen.as_json and not live, verbose=False
    ) as view:
        return execute(run, model.document, {}, environment, view, set_values={})


def _show(chosen: ModelOptions, run: OpenRun) -> None:
    """Print the figures, and write lm-eval's results if they are wanted.

    Raises:
        typer.Exit: A benchmark has no figures, because its evaluation has failed.
    """
    from isheep.cli.evaluation.model_figures import (
        Measured,
        figure_lines,
        figures_document,
        missing,
    )
    from isheep.cli.terminal.text import printable
    from isheep.contract.exit_codes import ExitCode
    from isheep.export.evaluation_results import write_results
    from isheep.planner.pinning import Resolved, spec_of
    from isheep.store.artifacts import ArtifactStore

    view = run.submitted()
    resolved = Resolved.model_validate(view.status.resolved)
    artifacts = ArtifactStore(run.store, view.namespace)
    if resolved.prepared is None:
        raise RuntimeError(f"{view.name} has succeeded without a result of prepare")
    measured = Measured(view.namespace, spec_of(resolved), resolved.prepared, run.committed())
    document = {
        **figures_document(artifacts, measured),
        "run": view.name,
        "store": run.store.uri,
    }
    _print(document, figure_lines(document), as_json=chosen.as_json)
    if chosen.results is not None:
        count = write_results(artifacts, run.committed(), Path(chosen.results))
        typer.echo(f"{chosen.results}: {count} files", err=True)
    if absent := missing(document, measured):
        problems = [one.message for one in view.status.conditions if one.type == "Evaluated"]
        message = " ".join([f"{', '.join(absent)}: there are no figures.", *problems])
        typer.echo(f"isheep: {printable(message)}", err=True)
        raise typer.Exit(ExitCode.DEFECT)


def _print(document: dict[str, Any], lines: Any, *, as_json: bool) -> None:
    from isheep.cli.terminal.text import printable

    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for line in lines:
        typer.echo(printable(line))


def _explain(name: str, conclusion: Conclusion) -> None:
    """Print why there are no figures, and what to do."""
    from isheep.cli.progress import ending
    from isheep.cli.terminal.text import printable

    if ending.has_error(conclusion):
        typer.echo(
            f"isheep: {printable(f'{name}: {conclusion.end}. {conclusion.message}')}", err=True
        )
        if conclusion.remedy:
            typer.echo(printable(f"what to do: {conclusion.remedy}"), err=True)
        return
    typer.echo(printable(f"{name}: {conclusion.message}; run the same command to resume"), err=True)
