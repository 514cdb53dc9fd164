"""The stages of I-SHEEP, Algorithm 1 of arXiv 2408.08072.

For t = 1…T: rounds of generate and curate until `count` instructions are accepted, then respond,
assess, select, train, merge and report. M(t-1) writes the instructions and the responses; M(t-1) or
M(0) scores the pairs. With another selection method of Table 3, measure replaces assess, or neither
runs. Training starts from M(0) (One_base, which the paper adopted) or from M(t-1) (One_last), and
its data are D(t) or all of D(1…t) (Total_base). Direct is one iteration with a larger count.
"""

from __future__ import annotations

from isheep.api.isheep import ISHEEP
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.respond import respond
from isheep.recipes.interface import End, Stages
from isheep.recipes.iteration import (
    History,
    StageGenerator,
    collect_instructions,
    iterations,
    select_and_train,
)


class ISheep:
    """The recipe `ISheep`."""

    definition = ISHEEP

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run until a result is missing."""
        return iterations(spec, prepared, _iteration)


def _iteration(run: RunContext, history: History, t: int) -> StageGenerator:
    accepted = yield from collect_instructions(run, history, t)
    if isinstance(accepted, End):
        return accepted
    pairs = respond(run, t, history.curates[-1], accepted)
    yield history.add(pairs)
    return (yield from select_and_train(run, history, t, pairs.id, accepted))
