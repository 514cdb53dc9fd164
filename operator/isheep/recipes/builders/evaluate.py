"""evaluate and verdict: M(t) answers the questions of the yardstick, and is compared with M(0).

The prompts have one format for all t. With RawThenChat this is the chat template: M(1) and later
models are trained on it, so in raw text they would be measured in a format that they do not use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from isheep.api.decisions import Stopping
from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.safeguards import Safeguards
from isheep.api.yardstick import Yardstick
from isheep.contract.choices import DecisiveAction, GuardRuleName, PromptFormat
from isheep.contract.stage_ids import iteration_of
from isheep.recipes import evaluation_settings as e
from isheep.recipes.builders.assess import assessor_format
from isheep.recipes.builders.context import (
    RunContext,
    kept_thoughts,
    response_format,
    with_model,
)
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind

_ANY_TRAINED = 1
"""The t of a model that responds in the format that M(1) and later models are trained on."""


@dataclass(frozen=True, slots=True)
class DataStages:
    """The ids of the stages that made D(1), D(2), …: what the verdict reads about them.

    `selects` and `pairs` have one stage for each iteration, in order: the one that chose among the
    pairs, and the one that wrote them. `generates` are all stages whose prompts showed exemplars.
    """

    selects: Sequence[str]
    pairs: Sequence[str]
    generates: Sequence[str]


def evaluate(run: RunContext, yardstick: Yardstick, t: int, iteration: int) -> Stage:
    """Return the stage that measures M(t) in the pods of an iteration, where M(t) is loaded."""
    model = run.model_of(t)
    return Stage(
        f"i{t}/evaluate/yardstick",
        StageKind.EVALUATE,
        iteration,
        e.YardstickSettings(
            model=run.model_settings(model, run.response_chat_format),
            random_seed=yardstick.random_seed,
            prompt_format=answer_format(run.spec),
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
    t: int,
    iteration: int,
    *,
    evaluations: Mapping[int, str],
    data: DataStages,
    benchmarks: Sequence[e.ComparedBenchmark] = (),
    scores: Sequence[tuple[e.ScoredModel, str]] = (),
    judged: Sequence[tuple[e.JudgedModel, str]] = (),
    graded: Sequence[tuple[e.GradedModel, str]] = (),
    anchors: Mapping[int, str] = MappingProxyType({}),
    memorized: str = "",
) -> Stage:
    """Return the stage that compares M(0) to M(t), and looks at D(1) to D(t).

    `evaluations` has the ids of the yardstick's evaluations by t, M(0)'s included, and is empty
    without a yardstick. `data` has the stages of the iterations so far, of which those up to t are
    read. `scores` has the models with scores on `benchmarks`, each with the id of its score stage,
    `judged` the models with preferences of the judge and `graded` those with grades, each with the
    id of its judge stage. `anchors` has the ids of the stages with scores of the same pairs by
    iteration, of which those up to t are read. `memorized` is the id of the stage in which M(0)
    completes items of the benchmarks, "" without one.
    """
    wanted = run.spec.responses.prompt_format
    generates = tuple(id_ for id_ in data.generates if (iteration_of(id_) or 0) <= t)
    safeguards = run.spec.safeguards or Safeguards()
    external = benchmarks or judged or graded
    anchored = {one: id_ for one, id_ in anchors.items() if one <= t}
    if len(anchored) == 1:
        anchored = {}  # There is nothing to compare.
    return Stage(
        f"i{t}/verdict",
        StageKind.VERDICT,
        iteration,
        e.VerdictSettings(
            random_seed=_comparison_seed(run.spec),
            models=tuple(evaluations),
            answer_format=answer_format(run.spec),
            data_formats=tuple(
                response_format(wanted, run.writer_of(one)) for one in range(1, t + 1)
            ),
            generated_in=tuple(iteration_of(id_) or 0 for id_ in generates),
            planned_looks=run.spec.iterations,
            guards=_guards(run.spec, safeguards),
            action=_action(run, safeguards, t),
            best=None if run.spec.best is None else run.spec.best.metric,
            stopping=_stopping(run.spec.stopping),
            benchmarks=tuple(benchmarks) or None,
            scores=tuple(model for model, _ in scores) or None,
            judged=tuple(model for model, _ in judged) or None,
            graded=tuple(model for model, _ in graded) or None,
            anchors=tuple(
                e.AnchorScores(t=one, prompt_format=assessor_format(run, one)) for one in anchored
            )
            or None,
            seed_tasks=run.prepared.seed_tasks_digest if evaluations else None,
            memorization=_memorization(run) if memorized else None,
            ngram=run.spec.curation.decontamination.ngram if external else None,
        ),
        inputs={
            "evaluations": tuple(evaluations.values()),
            "data": tuple(data.selects[:t]),
            "pairs": tuple(data.pairs[:t]),
            "completions": generates,
            **({"scores": tuple(id_ for _, id_ in scores)} if scores else {}),
            **({"judgements": tuple(id_ for _, id_ in judged)} if judged else {}),
            **({"grades": tuple(id_ for _, id_ in graded)} if graded else {}),
            **({"anchors": tuple(anchored.values())} if anchored else {}),
            **({"memorized": (memorized,)} if memorized else {}),
        },
    )


def _memorization(run: RunContext) -> str | None:
    return None if run.prepared.memorization is None else run.prepared.memorization.digest


def _comparison_seed(spec: SelfAlignmentRunSpec) -> int:
    if spec.yardstick is not None:
        return spec.yardstick.random_seed
    return 0 if spec.evaluation is None else spec.evaluation.random_seed


def answer_format(spec: SelfAlignmentRunSpec) -> PromptFormat:
    """Return the prompt format that M(1) and later models are trained on."""
    return response_format(spec.responses.prompt_format, _ANY_TRAINED)


def _guards(spec: SelfAlignmentRunSpec, safeguards: Safeguards) -> tuple[GuardRuleName, ...]:
    """Return the rules that can have figures: a rule without any makes the others stricter."""
    anchored = spec.assessment.anchors is not None
    return tuple(name for name in safeguards.chosen() if anchored or name != "LenientAssessor")


def _action(run: RunContext, safeguards: Safeguards, t: int) -> DecisiveAction | None:
    """Return what an alarm of M(t) causes: a run does not roll back twice in a row."""
    if safeguards.action == "RollBack":
        return "RollBack" if run.writer_of(t) == t - 1 else "Stop"
    return "Stop" if safeguards.action == "Stop" else None


def _stopping(spec: Stopping | None) -> e.StoppingSettings | None:
    if spec is None:
        return None
    return e.StoppingSettings(metric=spec.metric, patience=spec.patience)
