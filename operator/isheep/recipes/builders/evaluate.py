"""evaluate and verdict: M(t) answers the questions of the yardstick, and is compared with M(0).

The prompts have one format for all t. With RawThenChat this is the chat template: M(1) and later
models are trained on it, so in raw text they would be measured in a format that they do not use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from isheep.api.yardstick import Yardstick
from isheep.contract.choices import GUARD_RULE_NAMES, PromptFormat
from isheep.recipes import settings as s
from isheep.recipes.builders.context import (
    RunContext,
    kept_thoughts,
    response_format,
    with_model,
)
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind

_ANY_TRAINED = 2
"""An iteration whose responses have the format that M(1) and later models are trained on."""


def evaluate(run: RunContext, yardstick: Yardstick, t: int, iteration: int) -> Stage:
    """Return the stage that measures M(t) in the pods of an iteration, where M(t) is loaded."""
    model = run.model_of(t)
    return Stage(
        f"i{t}/evaluate/yardstick",
        StageKind.EVALUATE,
        iteration,
        s.EvaluateSettings(
            model=run.model_settings(model, run.response_chat_format),
            random_seed=yardstick.random_seed,
            prompt_format=_answer_format(run),
            max_tokens=yardstick.max_tokens,
            seed_tasks=run.prepared.seed_tasks_digest,
            templates=run.prepared.templates_digest,
            thinking=kept_thoughts(run.spec),
        ),
        inputs=with_model(model),
        items=min(yardstick.items, run.prepared.seed_tasks_count),
        model=model,
    )


def verdict(
    run: RunContext,
    yardstick: Yardstick,
    t: int,
    iteration: int,
    *,
    evaluations: Mapping[int, str],
    selects: Sequence[str],
) -> Stage:
    """Return the stage that compares M(0) to M(t), and looks at D(1) to D(t).

    `evaluations` has the ids of the evaluations by t, M(0)'s included. `selects` has the ids of the
    select stages of the iterations, in order.
    """
    wanted = run.spec.responses.prompt_format
    return Stage(
        f"i{t}/verdict",
        StageKind.VERDICT,
        iteration,
        s.VerdictSettings(
            random_seed=yardstick.random_seed,
            models=tuple(evaluations),
            answer_format=_answer_format(run),
            data_formats=tuple(response_format(wanted, one) for one in range(1, t + 1)),
            planned_looks=run.spec.iterations,
            guards=() if yardstick.guards == "Off" else GUARD_RULE_NAMES,
        ),
        inputs={"evaluations": tuple(evaluations.values()), "data": tuple(selects[:t])},
    )


def _answer_format(run: RunContext) -> PromptFormat:
    return response_format(run.spec.responses.prompt_format, _ANY_TRAINED)
