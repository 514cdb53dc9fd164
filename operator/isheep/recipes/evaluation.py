"""The parts of an iteration that measure a model and compare it with M(0).

M(t) is measured in iteration t + 1, in the pods that have loaded it for its responses. Only the
last model is measured after its training. The verdict comes after the training, so that no process
whose model is needed next executes it. A stage that fails finally is left out: the run goes on
without its figures.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from isheep.recipes.benchmarks import (
    BenchmarkStages,
    answer_benchmarks,
    compared_benchmarks,
    score_answers,
    scored_models,
)
from isheep.recipes.builders.assess import controls
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.evaluate import evaluate, verdict
from isheep.recipes.interface import Stage, Statistics, has_failed

OptionalStages = Generator[Stage, Statistics | None, None]
"""A part of a recipe's generator that never ends the run."""


@dataclass(slots=True)
class Evaluations:
    """The ids of the evaluations so far by t, of the newest verdict, and of the controls.

    `verdicts` has the result of each verdict by t, None if it is not committed.
    """

    measured: dict[int, str] = field(default_factory=dict)
    benchmarks: BenchmarkStages = field(default_factory=BenchmarkStages)
    controls: list[str] = field(default_factory=list)
    verdict: str | None = None
    verdicts: dict[int, Statistics | None] = field(default_factory=dict)

    def stages(self) -> list[str]:
        """Return the ids of the evaluations, controls and the newest verdict, for the report."""
        newest = [] if self.verdict is None else [self.verdict]
        return [
            *self.measured.values(),
            *self.benchmarks.stages(),
            *self.controls,
            *newest,
        ]


def measure_model(run: RunContext, found: Evaluations, t: int, iteration: int) -> OptionalStages:
    """Yield the stages that measure M(t) in an iteration: on the yardstick, then on benchmarks."""
    yardstick = run.spec.yardstick
    if yardstick is not None and yardstick.items:
        stage = evaluate(run, yardstick, t, iteration)
        if not has_failed((yield stage)):
            found.measured[t] = stage.id
    yield from answer_benchmarks(run, found.benchmarks, t, iteration)


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


def compare_models(
    run: RunContext, found: Evaluations, selects: Sequence[str], t: int, iteration: int
) -> OptionalStages:
    """Yield the scores of answers, and the stage that compares M(1…t) with M(0).

    There is no comparison if M(t) or M(0) is measured neither on the yardstick nor on a benchmark.
    `selects` has the ids of the select stages of the iterations, in order.
    """
    yield from score_answers(run, found.benchmarks, iteration)
    measured = found.measured if {0, t} <= found.measured.keys() else {}
    scores = scored_models(found.benchmarks)
    if t == 0 or not (measured or any(model.t == t for model, _ in scores)):
        return
    stage = verdict(
        run,
        t,
        iteration,
        evaluations=measured,
        selects=selects,
        benchmarks=compared_benchmarks(run, found.benchmarks),
        scores=scores,
    )
    found.verdicts[t] = yield stage
    if not has_failed(found.verdicts[t]):
        found.verdict = stage.id
