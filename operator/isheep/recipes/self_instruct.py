"""Self-Instruct (arXiv 2212.10560) as stages, and the light variant that I-SHEEP compares with.

In full (`instances: FewShot`): rounds of generate and curate over a growing pool, in
which a prompt shows machine-made tasks beside human ones and the list holds
instructions only; classify tells classifications from other tasks; instantiate writes
up to five instances of each, the output first for classifications and the input first
for others, and filters them; select, train, merge, report.

The light variant (`instances: ZeroShot`) has the same instructions and no instances:
they are answered zero-shot by I-SHEEP's own respond, so that both methods differ in
how data is made and chosen, not in how it is answered.
"""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared
from isheep.recipes.builders.classify import classify
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.instantiate import instantiate
from isheep.recipes.builders.respond import respond
from isheep.recipes.defaults import self_instruct
from isheep.recipes.interface import End, Stages
from isheep.recipes.iteration import History, StageGenerator, instructions, iterations, training


class SelfInstruct:
    """The recipe `SelfInstruct`."""

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run as far as the results decide them."""
        return iterations(spec, prepared, _iteration)


def _iteration(run: RunContext, history: History, t: int) -> StageGenerator:
    own = self_instruct(run.spec)
    accepted = yield from instructions(
        run, history, t, task_list="SelfInstruct", machine_examples=own.machine_examples
    )
    if isinstance(accepted, End):
        return accepted
    tasks = history.curates[-1]
    if own.instances == "ZeroShot":
        makers = [respond(run, t, tasks, accepted)]
    else:
        makers = [classify(run, t, tasks, accepted), instantiate(run, t, tasks, accepted)]
    for stage in makers:
        yield history.note(stage)
    return (yield from training(run, history, t, makers[-1].id, accepted))
