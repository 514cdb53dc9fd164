"""The stages of SELF-ALIGN, the method of Dromedary (v1).

Iteration 1 contains steps 1 to 3. In step 1, the base model generates topics, instructions from
seed tasks, and topic-guided instructions of types that models answer badly. Both kinds of
instructions are in one deduplicated pool. In step 2, the base model answers all of them; the prompt
shows principles, and exemplars with private thoughts. Step 3 (principle engraving) trains M(1) on
the responses without the principles. Iteration 2 is step 4, verbose cloning: M(1) answers
instructions of the pool again with a prompt that asks for thorough answers, and M(2) is trained on
these responses without that prompt.

The pool holds the instructions from seed tasks first. So respond answers the instructions in random
order, and the first pairs of D(t), which training uses, contain both kinds in proportion.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from isheep.api.dromedary import DROMEDARY
from isheep.api.dromedary import Dromedary as DromedarySettings
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.curate import curate
from isheep.recipes.builders.generate import generate
from isheep.recipes.builders.prepare import prepare
from isheep.recipes.builders.respond import respond
from isheep.recipes.builders.topics import topics
from isheep.recipes.defaults import resolve
from isheep.recipes.interface import FINISHED, UNDECIDED, End, Stage, Stages, Statistics
from isheep.recipes.iteration import (
    NOTHING_COLLECTED,
    Collected,
    History,
    Rounds,
    StageGenerator,
    collect,
    select_and_train,
)


class Dromedary:
    """The recipe `Dromedary`."""

    definition = DROMEDARY

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run until a result is missing."""
        yield prepare(spec)
        if prepared is None:
            return UNDECIDED
        run, history = RunContext(resolve(spec), prepared), History()
        settings = spec.dromedary or DromedarySettings()
        pool = yield from _pool(run, history, settings)
        if isinstance(pool, End):
            return pool
        for t in range(1, spec.iterations + 1):
            written = replace(run, writers=tuple(history.writers))
            end = yield from _iteration(written, history, t, pool, settings)
            if end is not None:
                return end
        return FINISHED


def _pool(
    run: RunContext, history: History, settings: DromedarySettings
) -> Generator[Stage, Statistics | None, Collected | End]:
    """Yield step 1: topics, instructions from seed tasks, and topic-guided instructions."""
    if not settings.topic_guided:
        rounds = _seed_task_rounds(run, NOTHING_COLLECTED)
        return (yield from collect(run, history, 1, rounds))
    collected_topics = yield from collect(run, history, 1, _topic_rounds(run, settings))
    if isinstance(collected_topics, End):
        return collected_topics
    # The numbers of rounds continue through the iteration, because ids of stages contain them.
    before = replace(NOTHING_COLLECTED, rounds=collected_topics.rounds)
    from_seed_tasks = yield from collect(run, history, 1, _seed_task_rounds(run, before))
    if isinstance(from_seed_tasks, End):
        return from_seed_tasks
    rounds = _topic_guided_rounds(run, settings, collected_topics, from_seed_tasks)
    return (yield from collect(run, history, 1, rounds))


def _topic_rounds(run: RunContext, settings: DromedarySettings) -> Rounds:
    return Rounds(
        count=settings.topics,
        field="dromedary.topics",
        generate_stage=lambda number, completions, _previous: generate(
            run, 1, number, completions, task_list="Topics"
        ),
        collect_stage=lambda number, previous: topics(
            run, 1, number, previous=previous, count=settings.topics
        ),
        items="topics",
    )


def _seed_task_rounds(run: RunContext, before: Collected) -> Rounds:
    return Rounds(
        count=run.spec.instructions.count,
        field="instructions.count",
        generate_stage=lambda number, completions, _previous: generate(run, 1, number, completions),
        collect_stage=lambda number, previous: curate(run, 1, number, previous=previous, pool=()),
        before=before,
    )


def _topic_guided_rounds(
    run: RunContext,
    settings: DromedarySettings,
    collected_topics: Collected,
    from_seed_tasks: Collected,
) -> Rounds:
    return Rounds(
        count=settings.topic_guided,
        field="dromedary.topicGuided",
        generate_stage=lambda number, completions, _previous: generate(
            run, 1, number, completions, task_list="TopicGuided", topics=collected_topics.stage
        ),
        collect_stage=lambda number, previous: curate(
            run,
            1,
            number,
            previous=previous,
            pool=(),
            count=run.spec.instructions.count + settings.topic_guided,
            task_list="TopicGuided",
        ),
        items="topic-guided instructions",
        before=from_seed_tasks,
    )


def _iteration(
    run: RunContext, history: History, t: int, pool: Collected, settings: DromedarySettings
) -> StageGenerator:
    """Yield steps 2 and 3 (t = 1), or step 4 (t = 2)."""
    if t == 1:
        answered = pool.accepted
        stage = respond(
            run,
            t,
            pool.stage,
            answered,
            asking="Principles",
            exemplars=settings.exemplars,
            drawn=True,
        )
    else:
        answered = min(settings.verbose or pool.accepted, pool.accepted)
        stage = respond(run, t, pool.stage, answered, asking="Verbose", drawn=True)
    yield history.add(stage)
    return (yield from select_and_train(run, history, t, stage.id, answered))
