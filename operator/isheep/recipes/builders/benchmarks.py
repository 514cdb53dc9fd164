"""evaluate and score on benchmarks: M(t) answers the requests of a benchmark, and is scored.

The requests are those that prepare has rendered, so the ids and keys of these stages contain the
task and the digest of the benchmark, and nothing else of the run. All runs of a namespace with the
same model and the same benchmark share the evaluation of M(0).
"""

from __future__ import annotations

import re

from isheep.api.evaluation import EvaluatedBenchmark, Judgement
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import PromptFormat
from isheep.contract.prepared import PreparedBenchmark
from isheep.recipes import evaluation_settings as e
from isheep.recipes.builders.context import RunContext, with_model
from isheep.recipes.builders.evaluate import answer_format
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind

_DIGEST_CHARACTERS = 8
_TASK_CHARACTERS = 24
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


def answer(
    run: RunContext,
    task: str,
    prepared: PreparedBenchmark,
    prompt_format: PromptFormat,
    *,
    t: int,
    iteration: int,
) -> Stage:
    """Return the stage in which M(t) answers prepared requests of a task in a prompt format.

    The length of the model is that of the longest request, and not that of the run, so that other
    settings of the run give the evaluation of M(0) no other key.
    """
    model = run.model_of(t)
    settings = run.model_settings(model).model_copy(update={"max_model_length": prepared.length})
    return Stage(
        f"i{t}/evaluate/{request_name(task, prepared, prompt_format)}",
        StageKind.EVALUATE,
        iteration,
        e.EvaluateSettings(
            model=settings,
            random_seed=0 if run.spec.evaluation is None else run.spec.evaluation.random_seed,
            prompt_format=prompt_format,
            benchmark=prepared.digest,
        ),
        inputs=with_model(model),
        items=prepared.requests[prompt_format],
        model=model,
    )


def score(
    run: RunContext,
    benchmark: EvaluatedBenchmark,
    prepared: PreparedBenchmark,
    prompt_format: PromptFormat,
    *,
    t: int,
    iteration: int,
) -> Stage:
    """Return the stage that scores the answers of M(t)."""
    name = request_name(benchmark.task, prepared, prompt_format)
    allowed = run.spec.evaluation is not None and run.spec.evaluation.allow_code_execution
    return Stage(
        f"i{t}/score/{name}",
        StageKind.SCORE,
        iteration,
        e.ScoreSettings(
            benchmark=prepared.digest,
            prompt_format=prompt_format,
            harness=run.prepared.harness or "",
            allow_code_execution=True if allowed else None,
        ),
        inputs={"outputs": (f"i{t}/evaluate/{name}",)},
    )


def request_name(task: str, prepared: PreparedBenchmark, variant: str) -> str:
    """Return the part of a stage's id that names the requests: `ifeval-1f0c2a3b-chat`."""
    name = _NOT_PLAIN.sub("-", task.lower()).strip("-")[:_TASK_CHARACTERS]
    return f"{name}-{prepared.digest[:_DIGEST_CHARACTERS]}-{variant.lower()}"


def later_format(
    spec: SelfAlignmentRunSpec, evaluated: EvaluatedBenchmark | Judgement
) -> PromptFormat:
    """Return the prompt format in which M(1) and later models are evaluated."""
    wanted = evaluated.prompt_format
    return answer_format(spec) if wanted == "Both" else wanted


def base_formats(
    spec: SelfAlignmentRunSpec, evaluated: EvaluatedBenchmark | Judgement
) -> tuple[PromptFormat, ...]:
    """Return the prompt formats in which M(0) is evaluated, that of later models first."""
    later = later_format(spec, evaluated)
    if evaluated.prompt_format != "Both":
        return (later,)
    return (later, "Raw" if later == "Chat" else "Chat")
