"""I-SHEEP, Algorithm 1 of arXiv 2408.08072, as stages.

For t = 1…T: rounds of generate and curate until `count` instructions are accepted,
respond, assess, select, train, merge, report. M(t-1) writes and answers; the
assessor is M(t-1) or the base; the other selection methods of Table 3 have measure in
the place of assess, or nothing; training starts from the base (One_base, as the
paper adopted) or from M(t-1) (One_last), on D(t) or on all of D(1…t) (Total_base).
Direct is one iteration with a larger count.
"""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.respond import respond
from isheep.recipes.interface import End, Stages
from isheep.recipes.iteration import History, StageGenerator, instructions, iterations, training


class ISheep:
    """The recipe `ISheep`."""

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run as far as the results decide them."""
        return iterations(spec, prepared, _iteration)


def _iteration(run: RunContext, history: History, t: int) -> StageGenerator:
    accepted = yield from instructions(run, history, t)
    if isinstance(accepted, End):
        return accepted
    pairs = respond(run, t, history.curates[-1], accepted)
    yield history.note(pairs)
    return (yield from training(run, history, t, pairs.id, accepted))
