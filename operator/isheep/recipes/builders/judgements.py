"""judge: the judge of the run compares answers of M(t) with others, or grades answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from isheep.api.evaluation import Judgement
from isheep.contract.choices import PromptFormat
from isheep.contract.prepared import PreparedBenchmark
from isheep.recipes import evaluation_settings as e
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.judge import judge_of
from isheep.recipes.interface import Stage
from isheep.recipes.settings import Sampling
from isheep.recipes.stage_kinds import StageKind


def judge(
    run: RunContext,
    judgement: Judgement,
    prepared: PreparedBenchmark,
    *,
    t: int,
    iteration: int,
    answers: str,
    base: tuple[PromptFormat, str] | None,
) -> Stage:
    """Return the stage in which the judge compares the answers of M(t) with other answers.

    Args:
        run: The run, with the result of prepare.
        judgement: The judgement of the spec.
        prepared: The judgement as prepare has stored it.
        t: The t of the model.
        iteration: The iteration of the stage.
        answers: The id of the stage with the answers of M(t).
        base: The prompt format of M(0) and the id of the stage with its answers; None if the other
            answers are in the user's file.
    """
    other = "outputs" if base is None else base[0].lower()
    return Stage(
        f"i{t}/judge/{judgement.name}-{other}",
        StageKind.JUDGE,
        iteration,
        _settings(run, judgement, prepared, outputs=True if base is None else None),
        inputs={"answers": (answers,), **({} if base is None else {"base": (base[1],)})},
        items=max(prepared.requests.values()),
        model=judge_of(run).source,
    )


def grade(
    run: RunContext,
    judgement: Judgement,
    prepared: PreparedBenchmark,
    *,
    t: int,
    iteration: int,
    answers: str,
    bases: Sequence[tuple[PromptFormat, str]],
) -> Stage:
    """Return the stage in which the judge grades the answers of M(t) and those of M(0).

    All of them are graded in one stage, so a judge that changes over time changes no comparison.

    Args:
        run: The run, with the result of prepare.
        judgement: The judgement of the spec.
        prepared: The judgement as prepare has stored it.
        t: The t of the model.
        iteration: The iteration of the stage.
        answers: The id of the stage with the answers of M(t).
        bases: The prompt formats of M(0), each with the id of the stage with its answers.
    """
    formats = tuple(prompt_format for prompt_format, _ in bases)
    return Stage(
        f"i{t}/judge/{judgement.name}-grades",
        StageKind.JUDGE,
        iteration,
        _settings(run, judgement, prepared, base_formats=formats),
        inputs={"answers": (answers,), "base": tuple(id_ for _, id_ in bases)},
        items=max(prepared.requests.values()),
        model=judge_of(run).source,
    )


def _settings(
    run: RunContext,
    judgement: Judgement,
    prepared: PreparedBenchmark,
    *,
    outputs: Literal[True] | None = None,
    base_formats: tuple[PromptFormat, ...] | None = None,
) -> e.JudgeSettings:
    model = judge_of(run)
    return e.JudgeSettings(
        model=model.settings,
        endpoint=model.endpoint,
        random_seed=0 if run.spec.evaluation is None else run.spec.evaluation.random_seed,
        kind=judgement.kind,
        judgement=prepared.digest,
        sampling=Sampling(temperature=0.0, top_p=1.0, max_tokens=judgement.judge_max_tokens),
        outputs=outputs,
        base_formats=base_formats,
    )
