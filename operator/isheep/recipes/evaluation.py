"""The parts of an iteration that measure a model and compare it with M(0).

M(t) is measured in iteration t + 1, in the pods that have loaded it for its responses. Only the
last model is measured after its training. The verdict comes after the training, so that no process
whose model is needed next executes it. A stage that fails finally is left out: the run goes on
without its figures.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from isheep.recipes.benchmarks import (
    BenchmarkStages,
    answer_benchmarks,
    compared_benchmarks,
    score_answers,
    scored_models,
)
from isheep.recipes.builders.assess import anchors, assessor_can_change, controls
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.evaluate import DataStages, evaluate, verdict
from isheep.recipes.interface import Stage, Statistics, has_failed
from isheep.recipes.judging import JudgementStages, answer_questions, judge_answers

OptionalStages = Generator[Stage, Statistics | None, None]
"""A part of a recipe's generator that never ends the run."""


@dataclass(slots=True)
class Evaluations:
    """The ids of the evaluations so far by t, of the newest verdict, and of the controls.

    `anchors` has the stages with scores of the same pairs by iteration: the assess stage of the
    first iteration, and the anchors of later ones. `anchored` has the stage with these pairs and
    the number of its items. `verdicts` has the result of each verdict by t, None if it is not
    committed.
    """

    measured: dict[int, str] = field(default_factory=dict)
    benchmarks: BenchmarkStages = field(default_factory=BenchmarkStages)
    judgements: JudgementStages = field(default_factory=JudgementStages)
    controls: list[str] = field(default_factory=list)
    anchors: dict[int, str] = field(default_factory=dict)
    anchored: tuple[str, int] = ("", 0)
    verdict: str | None = None
    verdicts: dict[int, Statistics | None] = field(default_factory=dict)

    def stages(self) -> list[str]:
        """Return the ids of the evaluations, controls and the newest verdict, for the report."""
        newest = [] if self.verdict is None else [self.verdict]
        return [
            *self.measured.values(),
            *self.benchmarks.stages(),
            *self.judgements.stages(),
            *self.controls,
            *list(self.anchors.values())[1:],
            *newest,
        ]


def measure_model(run: RunContext, found: Evaluations, t: int, iteration: int) -> OptionalStages:
    """Yield the stages that measure M(t) in an iteration.

    They are the yardstick, the benchmarks, and the answers to the questions of judgements.
    """
    yardstick = run.spec.yardstick
    if yardstick is not None and yardstick.items:
        stage = evaluate(run, yardstick, t, iteration)
        if not has_failed((yield stage)):
            found.measured[t] = stage.id
    yield from answer_benchmarks(run, found.benchmarks, t, iteration)
    yield from answer_questions(run, found.judgements, t, iteration)


def check_scores(
    run: RunContext, found: Evaluations, t: int, pairs: str, items: int
) -> OptionalStages:
    """Yield the stage that shows whether the scores of an iteration mean something, if wanted.

    `pairs` and `items` are those of the iteration's assess stage.
    """
    count = run.spec.assessment.controls
    if count is None:
        return
    stage = controls(run, t, pairs, min(count, items))
    if not has_failed((yield stage)):
        found.controls.append(stage.id)


def score_anchors(
    run: RunContext, found: Evaluations, t: int, pairs: str, items: int
) -> OptionalStages:
    """Yield the stage that shows whether the assessor has changed since t = 1, if wanted.

    `pairs` and `items` are those of the iteration's assess stage. The first iteration has no such
    stage, because its assess stage has scored its pairs.
    """
    count = run.spec.assessment.anchors
    if count is None or not assessor_can_change(run.spec):
        return
    if t == 1:
        found.anchors[t], found.anchored = f"i{t}/assess", (pairs, items)
        return
    pairs, items = found.anchored
    stage = anchors(run, t, pairs, found.anchors[1], min(count, items))
    if not has_failed((yield stage)):
        found.anchors[t] = stage.id


def compare_models(
    run: RunContext, found: Evaluations, data: DataStages, t: int, iteration: int
) -> OptionalStages:
    """Yield the scores and judgements of answers, and the stage that compares M(1…t) with M(0).

    There is no comparison if M(t) or M(0) is measured neither on the yardstick nor on a benchmark,
    and M(t) has no judgement.
    `data` has the stages that made D(1), D(2), … so far.
    """
    yield from score_answers(run, found.benchmarks, iteration)
    yield from judge_answers(run, found.judgements, t, iteration)
    measured = found.measured if {0, t} <= found.measured.keys() else {}
    scores, judgements = scored_models(found.benchmarks), found.judgements
    external = {model.t for model, _ in scores}
    external |= {model.t for model, _ in judgements.judged}
    external |= {model.t for model, _ in judgements.graded}
    if t == 0 or not (measured or t in external):
        return
    stage = verdict(
        run,
        t,
        iteration,
        evaluations=measured,
        data=data,
        benchmarks=compared_benchmarks(run, found.benchmarks),
        scores=scores,
        judged=judgements.judged,
        graded=judgements.graded,
        anchors=found.anchors,
        memorized=found.benchmarks.memorized if scores else "",
    )
    found.verdicts[t] = yield stage
    if not has_failed(found.verdicts[t]):
        found.verdict = stage.id
