"""Alpaca's way of Self-Instruct as stages.

A prompt shows three whole tasks, each with its instruction, its input and its output,
and completions hold whole tasks, too. So what curate accepts are pairs already:
nothing is answered, and select reads them where they are.
"""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared
from isheep.recipes.builders.context import RunContext
from isheep.recipes.interface import End, Stages
from isheep.recipes.iteration import History, StageGenerator, instructions, iterations, training


class Alpaca:
    """The recipe `Alpaca`."""

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run as far as the results decide them."""
        return iterations(spec, prepared, _iteration)


def _iteration(run: RunContext, history: History, t: int) -> StageGenerator:
    accepted = yield from instructions(run, history, t, task_list="Alpaca")
    if isinstance(accepted, End):
        return accepted
    return (yield from training(run, history, t, history.curates[-1], accepted))
