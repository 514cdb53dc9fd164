"""The parts of an iteration that measure a model and compare it with M(0).

M(t) is measured in iteration t + 1, in the pods that have loaded it for its responses. Only the
last model is measured after its training. The verdict comes after the training, so that no process
whose model is needed next executes it. A stage that fails finally is left out: the run goes on
without its figures.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from isheep.recipes.builders.assess import controls
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.evaluate import evaluate, verdict
from isheep.recipes.interface import Stage, Statistics, has_failed

OptionalStages = Generator[Stage, Statistics | None, None]
"""A part of a recipe's generator that never ends the run."""


@dataclass(slots=True)
class Evaluations:
    """The ids of the evaluations so far by t, of the newest verdict, and of the controls."""

    measured: dict[int, str] = field(default_factory=dict)
    controls: list[str] = field(default_factory=list)
    verdict: str | None = None

    def stages(self) -> list[str]:
        """Return the ids of the evaluations, controls and the newest verdict, for the report."""
        newest = [] if self.verdict is None else [self.verdict]
        return [*self.measured.values(), *self.controls, *newest]


def measure_model(run: RunContext, found: Evaluations, t: int, iteration: int) -> OptionalStages:
    """Yield the stage that measures M(t) in an iteration; none without a yardstick."""
    if run.spec.yardstick is None:
        return
    stage = evaluate(run, run.spec.yardstick, t, iteration)
    if not has_failed((yield stage)):
        found.measured[t] = stage.id


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
    """Yield the stage that compares M(1…t) with M(0); none if M(t) or M(0) is not measured.

    `selects` has the ids of the select stages of the iterations, in order.
    """
    if run.spec.yardstick is None or t == 0 or not {0, t} <= found.measured.keys():
        return
    stage = verdict(
        run, run.spec.yardstick, t, iteration, evaluations=found.measured, selects=selects
    )
    if not has_failed((yield stage)):
        found.verdict = stage.id
