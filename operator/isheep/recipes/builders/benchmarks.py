"""evaluate and score on benchmarks: M(t) answers the requests of a benchmark, and is scored.

The requests are those that prepare has rendered, so the ids and keys of these stages contain the
task and the digest of the benchmark, and nothing else of the run. All runs of a namespace with the
same model and the same benchmark share the evaluation of M(0).
"""

from __future__ import annotations

import re

from isheep.api.evaluation import EvaluatedBenchmark
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import PromptFormat
from isheep.contract.order import PreparedBenchmark
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
    benchmark: EvaluatedBenchmark,
    prepared: PreparedBenchmark,
    prompt_format: PromptFormat,
    *,
    t: int,
    iteration: int,
) -> Stage:
    """Return the stage in which M(t) answers the requests of a benchmark in a prompt format.

    The length of the model is that of the longest request, and not that of the run, so that other
    settings of the run give the evaluation of M(0) no other key.
    """
    model = run.model_of(t)
    settings = run.model_settings(model).model_copy(update={"max_model_length": prepared.length})
    return Stage(
        f"i{t}/evaluate/{_name(benchmark, prepared, prompt_format)}",
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
    name = _name(benchmark, prepared, prompt_format)
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


def _name(
    benchmark: EvaluatedBenchmark, prepared: PreparedBenchmark, prompt_format: PromptFormat
) -> str:
    """Return the part of a stage's id that names the requests: `ifeval-1f0c2a3b-chat`."""
    task = _NOT_PLAIN.sub("-", benchmark.task.lower()).strip("-")[:_TASK_CHARACTERS]
    return f"{task}-{prepared.digest[:_DIGEST_CHARACTERS]}-{prompt_format.lower()}"


def later_format(spec: SelfAlignmentRunSpec, benchmark: EvaluatedBenchmark) -> PromptFormat:
    """Return the prompt format in which M(1) and later models are evaluated on a benchmark."""
    wanted = benchmark.prompt_format
    return answer_format(spec) if wanted == "Both" else wanted


def base_formats(
    spec: SelfAlignmentRunSpec, benchmark: EvaluatedBenchmark
) -> tuple[PromptFormat, ...]:
    """Return the prompt formats in which M(0) is evaluated, that of later models first."""
    later = later_format(spec, benchmark)
    if benchmark.prompt_format != "Both":
        return (later,)
    return (later, "Raw" if later == "Chat" else "Chat")
