"""`isheep evaluate RUN --task TASK`: evaluate the models of a finished run on a benchmark.

The command adds a benchmark to the spec of the run, as `--set` does, and resumes the run. The
benchmark is only reported, so it is in no key of a stage that makes data or trains. The command
checks this with the plan, before it starts anything. `--set` sets other fields of the evaluation.
"""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isheep.api.reading.loader import LoadedRun
    from isheep.api.reading.set_values import SetValue
    from isheep.cli.arguments.open_run import OpenRun
    from isheep.cli.evaluation.added_benchmark import AddedBenchmark
    from isheep.local.conclusion import Conclusion
    from isheep.planner.types import Environment, RunView
    from isheep.store.artifacts import ArtifactStore

STARTED_KINDS = ("prepare", "evaluate", "score", "judge", "verdict", "report")
"""The kinds of stages that the command starts. prepare needs no GPU: it makes the prompts."""
_VERDICT_FILE = "verdict.json"


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where the run of the command is, as the options name it."""

    namespace: str | None
    context: str | None
    store: str | None


@dataclass(frozen=True, slots=True)
class RunAddition:
    """What the command changes in the spec of the run: a benchmark, and the values of `--set`."""

    benchmark: AddedBenchmark
    set_values: Sequence[SetValue] = ()


def evaluate_run(
    run: str,
    added: RunAddition,
    place: RunPlace,
    environment: Environment,
    *,
    plain: bool,
    allow_cpu: bool,
) -> None:
    """Add a benchmark to a finished run, and evaluate its models.

    Raises `typer.Exit` with the exit code of the command at its end.
    """
    from isheep.cli.arguments.opening import open_run
    from isheep.cli.arguments.run_argument import Place, place_of
    from isheep.cli.progress import ending
    from isheep.cli.progress.local_execution import check_gpus, execute, progress_view
    from isheep.cli.terminal.text import printable

    _check_set_values(added.set_values)
    if place_of(run, place.namespace, place.context, place.store) is Place.CLUSTER:
        _refuse_cluster(run, place.namespace, added.benchmark)
    chosen = open_run(run, place.namespace, place.context, place.store)
    before, values = chosen.submitted(), chosen.stored.set_values()
    loaded, set_values = _with_benchmark(chosen, before, added)
    if not allow_cpu:
        check_gpus(loaded.run.spec)
    spec = loaded.document["spec"]
    _check_plan(chosen, before, spec)
    environment = replace(environment, default_storage=_store_spec(chosen, place.store))
    console = ending.console()
    live = console.is_terminal and not plain
    iterations = loaded.run.spec.iterations
    with progress_view(
        chosen.ref.name, iterations, console, live=live, quiet=False, verbose=False
    ) as view:
        conclusion = execute(
            chosen, spec, before.annotations, environment, view, set_values=values | set_values
        )
    if _not_prepared(chosen, conclusion):
        chosen.stored.restore(before, values)
        typer.echo(
            f"{chosen.ref.name}: the benchmark is not added, and the run is as it was before",
            err=True,
        )
    elif conclusion.end == "Succeeded":
        _show_result(chosen, added.benchmark.fields()["name"])
    if ending.has_error(conclusion):
        error = f"{chosen.ref.name}: {conclusion.end}. {conclusion.message}"
        typer.echo(f"isheep: {printable(error)}", err=True)
    raise typer.Exit(conclusion.exit_code)


def _check_set_values(values: Sequence[SetValue]) -> None:
    """Raise `BadInputError` for a field that is not the command's to change."""
    from isheep.api.reading.schema_paths import field_path
    from isheep.cli.evaluation.added_benchmark import FIELD
    from isheep.cli.terminal.errors import BadInputError

    parent, _, benchmarks = FIELD.rpartition(".")
    for value in values:
        field = field_path(value.path)
        if not field.startswith(f"{parent}.") or field.startswith(FIELD):
            raise BadInputError(
                f"--set {field}: for a run, this command sets only fields of {parent} other than "
                f"{benchmarks}; change the file for another field, and use `isheep run`"
            )


def _refuse_cluster(run: str, namespace: str | None, added: AddedBenchmark) -> None:
    """Raise `BadInputError` with what to do for a run on a cluster."""
    from isheep.cli.terminal.errors import BadInputError

    where = f" -n {namespace}" if namespace else ""
    raise BadInputError(
        f"{run}: only the operator changes a run on a cluster. Add the benchmark to "
        f"spec.evaluation.benchmarks with `kubectl edit sheep {run}{where}`: "
        f"{json.dumps(added.fields(), ensure_ascii=False)}. With decontaminate: Report, the "
        "default, the operator starts only stages that evaluate"
    )


def _with_benchmark(
    chosen: OpenRun, before: RunView, added: RunAddition
) -> tuple[LoadedRun, dict[str, Any]]:
    """Return the run with the benchmark, and the values of `--set` that have the same effect."""
    from isheep.api.reading.loader import load_bytes
    from isheep.api.reading.set_values import parse_set, recorded_values, set_text
    from isheep.api.run import GROUP, KIND, VERSION
    from isheep.cli.evaluation.added_benchmark import FIELD, with_benchmark

    benchmarks = with_benchmark(before.spec, added.benchmark.fields())
    document = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": before.name, "namespace": before.namespace},
        "spec": dict(before.spec),
    }
    values = [*added.set_values, parse_set(set_text(FIELD, benchmarks))]
    loaded = load_bytes(json.dumps(document).encode(), chosen.stored.uri, values)
    return loaded, recorded_values(loaded.document, loaded.set_values)


def _check_plan(chosen: OpenRun, before: RunView, spec: dict[str, Any]) -> None:
    """Raise `BadInputError` if the run would start a stage that evaluates nothing."""
    from isheep.cli.terminal.errors import BadInputError
    from isheep.local.run_forecast import forecast_run
    from isheep.local.session import utc_now

    found = forecast_run(chosen.store, chosen.stored, spec, before.annotations, now=utc_now())
    if found.store_error is not None:
        raise BadInputError(f"the store cannot be read: {found.store_error}")
    # A run that a rule has stopped has no stages of the iterations after that.
    last = before.status.iteration if before.status.phase == "Succeeded" else None
    stages = [one.stage for one in found.to_do if str(one.stage.kind) not in STARTED_KINDS]
    others = [one.id for one in stages if last is None or one.iteration <= last]
    if others:
        raise BadInputError(
            f"{before.name}: the stage {others[0]} does not exist, and this command starts no "
            "stage that makes data or trains: finish the run with `isheep run`, or add the "
            "benchmark to its file"
        )


def _store_spec(chosen: OpenRun, store: str | None) -> Any:
    from isheep.cli.arguments.target import Target, store_of

    return chosen.store_spec if isinstance(chosen, Target) else store_of(None, store)


def _not_prepared(chosen: OpenRun, conclusion: Conclusion) -> bool:
    """Return whether prepare has refused the benchmark, or did not end."""
    resolved = chosen.submitted().status.resolved or {}
    return conclusion.end != "Succeeded" and "prepared" not in resolved


def _show_result(chosen: OpenRun, name: str) -> None:
    """Print the figures of the benchmark, and what the user can do next.

    Raises:
        typer.Exit: There are no figures, or an evaluation has failed.
    """
    from isheep.cli.figures.benchmark_lines import benchmark_lines
    from isheep.cli.terminal.text import printable
    from isheep.contract.exit_codes import ExitCode
    from isheep.store.artifacts import ArtifactStore

    view = chosen.submitted()
    artifacts = ArtifactStore(chosen.store, view.namespace)
    lines = benchmark_lines(_section(artifacts, chosen.committed()), name)
    problems = [one.message for one in view.status.conditions if one.type == "Evaluated"]
    if lines:
        if report := chosen.report_uri():
            lines.append(f"report: {report}")
        lines.append(
            "the benchmark is stored with the run and is not in its file: a later `isheep run` of "
            "the file asks before it leaves the benchmark out"
        )
    for line in lines:
        typer.echo(printable(line))
    if lines and not problems:
        return
    # The metrics of some tasks, such as a perplexity, have no value for each item.
    no_values = "The metrics of the task have no value for each item."
    message = [] if lines else [f"{name}: there are no figures."]
    message += [*problems, "Run the same command to measure again."] if problems else [no_values]
    typer.echo(f"isheep: {printable(' '.join(message))}", err=True)
    raise typer.Exit(ExitCode.DEFECT)


def _section(artifacts: ArtifactStore, committed: dict[str, str]) -> list[dict[str, Any]]:
    """Return the benchmarks of the newest verdict; none without a verdict."""
    from isheep.contract.stage_ids import iteration_of, kind_name

    verdicts = [id_ for id_ in committed if kind_name(id_) == "verdict"]
    if not verdicts:
        return []
    newest = max(verdicts, key=iteration_of)
    with TemporaryDirectory() as folder:
        path = Path(folder) / _VERDICT_FILE
        artifacts.read_file(committed[newest], _VERDICT_FILE, path)
        document = json.loads(path.read_bytes())
    found: list[dict[str, Any]] = document.get("benchmarks", [])
    return found
