"""`isheep evaluate RUN|MODEL --task TASK`: evaluate a finished run, or one model, on benchmarks.

The modules `evaluate_run` and `evaluate_model` do it, for a run and for a model.
"""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from isheep.cli.arguments import options, suggestions
from isheep.contract.choices import BenchmarkFormat


def command(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL",
            help="A finished run: its YAML file (- is stdin) or its name. Or a model: hf://org/name,"
            " s3://bucket/path, or a folder.",
            autocompletion=suggestions.runs,
        ),
    ],
    task: Annotated[
        list[str],
        typer.Option(
            "--task",
            metavar="TASK",
            help="A task or a group of lm-eval, such as arc_easy. Repeatable for a model.",
        ),
    ],
    *,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Name of the benchmark in the report [default: TASK]."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="PATH|URI",
            help="The data: a file with the items, or a folder with <subset>/<split>.jsonl "
            "[default: the data set of the hub].",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Use at most N items, drawn by a hash."),
    ] = None,
    few_shot: Annotated[
        int | None,
        typer.Option(
            "--few-shot",
            min=0,
            help="Show N examples in each prompt [default: the number that the task sets].",
        ),
    ] = None,
    prompt_format: Annotated[
        BenchmarkFormat | None,
        typer.Option("--prompt-format", help="Format of the prompts [default: Both]."),
    ] = None,
    namespace: options.AnyNamespace = None,
    context: options.AnyContext = None,
    store: options.Store = None,
    mirror: options.Mirrors = None,
    config_map: options.ConfigMaps = None,
    plain: options.Plain = False,
    allow_cpu: options.AllowCpu = False,
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            metavar="REVISION",
            help="Evaluate this commit, tag or branch of an hf:// model [default: the newest commit"
            " when the command first runs].",
        ),
    ] = None,
    given: options.SetValues = None,
    results: Annotated[
        str | None,
        typer.Option(
            "--results",
            metavar="FOLDER",
            help="Write the results of a model to this folder, too, in the format of lm-eval.",
        ),
    ] = None,
    output: Annotated[
        options.Output,
        typer.Option(
            "--output",
            "-o",
            help="Print the figures as text or JSON. With json, the progress goes to stderr.",
        ),
    ] = options.Output.TEXT,
) -> None:
    """Evaluate the models of a finished run, or one model, on benchmarks. Nothing is trained.

    Run the same command again to resume it; nothing is evaluated twice.
    """
    from isheep.cli.arguments.set_option import set_values
    from isheep.cli.evaluation.added_benchmark import AddedBenchmark
    from isheep.cli.evaluation.evaluate_model import ModelOptions, evaluate_model
    from isheep.cli.evaluation.evaluate_run import RunAddition, RunPlace, evaluate_run
    from isheep.cli.evaluation.evaluated_model import is_model
    from isheep.planner.types import Environment

    _check_tasks(task, {"--name": name, "--data": data})
    benchmarks = [AddedBenchmark(one, name, data, limit, few_shot, prompt_format) for one in task]
    environment = Environment(
        mirrors=options.mirrors(mirror or (), os.environ),
        config_maps=options.config_maps(config_map or ()),
    )
    if not is_model(run):
        as_json = None if output is options.Output.TEXT else "--output json"
        _check_run({"--revision": revision, "--results": results}, task, as_json)
        added = RunAddition(benchmarks[0], set_values(given or ()))
        place = RunPlace(namespace, context, store)
        evaluate_run(run, added, place, environment, plain=plain, allow_cpu=allow_cpu)
        return
    _refuse({"-n": namespace, "--context": context}, "needs a run; a model is evaluated here")
    chosen = ModelOptions(
        argument=run,
        revision=revision,
        benchmarks=benchmarks,
        set_values=given or (),
        store=store,
        results=results,
        as_json=output is options.Output.JSON,
        plain=plain,
        allow_cpu=allow_cpu,
    )
    evaluate_model(chosen, environment)


def _check_tasks(tasks: Sequence[str], of_one: Mapping[str, str | None]) -> None:
    if len(tasks) > 1:
        _refuse(of_one, "is for one task; use the command once for each task")


def _check_run(of_model: Mapping[str, object], tasks: Sequence[str], as_json: str | None) -> None:
    """Raise `BadInputError` if an option of a model was given for a run."""
    from isheep.cli.terminal.errors import BadInputError

    _refuse(of_model, "is for a model; the run names its own")
    if as_json is not None:
        raise BadInputError(
            f"{as_json} is for a model; the figures of a run are in verdict.json and report.json"
        )
    if len(tasks) > 1:
        raise BadInputError("--task: a run gets one benchmark at a time; use the command again")


def _refuse(given: Mapping[str, object], why: str) -> None:
    """Raise `BadInputError` for the first option that was given."""
    from isheep.cli.terminal.errors import BadInputError

    for option, value in given.items():
        if value:
            raise BadInputError(f"{option} {why}")
