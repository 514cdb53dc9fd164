"""The stages of Self-Instruct (arXiv 2212.10560), and of the light variant in the I-SHEEP paper.

The full method (`instances: FewShot`) has rounds of generate and curate over a growing pool. A
prompt shows machine-made tasks and seed tasks, and lists instructions only. classify decides which
instructions are classification tasks. instantiate writes up to five instances of each instruction,
output first for classification tasks and input first for the others, and filters them. Then select,
train, merge and report run.

The light variant (`instances: ZeroShot`) has the same instructions and no instances. The respond
stage of I-SHEEP answers the instructions zero-shot. So the two methods differ in how data are
generated and chosen, and not in how instructions are answered.
"""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.self_instruct import SELF_INSTRUCT
from isheep.contract.prepared import Prepared
from isheep.recipes.builders.classify import classify
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.instantiate import instantiate
from isheep.recipes.builders.respond import respond
from isheep.recipes.defaults import self_instruct
from isheep.recipes.interface import End, Stages
from isheep.recipes.iteration import (
    History,
    StageGenerator,
    collect_instructions,
    iterations,
    select_and_train,
)


class SelfInstruct:
    """The recipe `SelfInstruct`."""

    definition = SELF_INSTRUCT

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run until a result is missing."""
        return iterations(spec, prepared, _iteration)


def _iteration(run: RunContext, history: History, t: int) -> StageGenerator:
    settings = self_instruct(run.spec)
    accepted = yield from collect_instructions(
        run,
        history,
        t,
        task_list=SELF_INSTRUCT.task_list,
        machine_examples=settings.machine_examples,
    )
    if isinstance(accepted, End):
        return accepted
    tasks = history.curates[-1]
    if settings.instances == "ZeroShot":
        stages = [respond(run, t, tasks, accepted)]
    else:
        stages = [classify(run, t, tasks, accepted), instantiate(run, t, tasks, accepted)]
    for stage in stages:
        yield history.add(stage)
    return (yield from select_and_train(run, history, t, stages[-1].id, accepted))
