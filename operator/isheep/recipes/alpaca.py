"""The stages of Alpaca, a variant of Self-Instruct.

A prompt shows whole tasks, each with its instruction, its input and its output, and the completions
contain whole tasks too. So the output of curate already consists of pairs. No stage answers the
instructions, and select reads the pairs from curate.
"""

from __future__ import annotations

from isheep.api.alpaca import ALPACA
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared
from isheep.recipes.builders.context import RunContext
from isheep.recipes.interface import End, Stages
from isheep.recipes.iteration import (
    History,
    StageGenerator,
    collect_instructions,
    iterations,
    select_and_train,
)


class Alpaca:
    """The recipe `Alpaca`."""

    definition = ALPACA

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run until a result is missing."""
        return iterations(spec, prepared, _iteration)


def _iteration(run: RunContext, history: History, t: int) -> StageGenerator:
    accepted = yield from collect_instructions(run, history, t, task_list=ALPACA.task_list)
    if isinstance(accepted, End):
        return accepted
    return (yield from select_and_train(run, history, t, history.curates[-1], accepted))
