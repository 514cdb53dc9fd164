"""SELF-ALIGN, the method of Dromedary (v1), as stages.

Iteration 1 is its steps 1 to 3. The base model makes up topics, writes instructions
from seed tasks and, topic-guided, such as models answer badly; both kinds join one
deduplicated pool. It answers them all in the context of principles and of exemplars
that think before they reply, and is trained on the replies alone: M(1) has the
principles engraved. Iteration 2 is step 4, verbose cloning: M(1) answers instructions
of that pool once more, asked to be thorough, and M(2) is trained to do so unasked.

The pool holds all from seed tasks first, so respond draws from it: whatever takes the
first so many of D(t), as training does, takes a fair share of both kinds.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from isheep.api.dromedary import Dromedary as DromedarySpec
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.curate import curate
from isheep.recipes.builders.generate import generate
from isheep.recipes.builders.prepare import prepare
from isheep.recipes.builders.respond import respond
from isheep.recipes.builders.topics import topics
from isheep.recipes.defaults import resolve
from isheep.recipes.interface import FINISHED, UNDECIDED, End, Stage, Stages, Statistics
from isheep.recipes.iteration import (
    NOTHING,
    Gathered,
    History,
    Series,
    StageGenerator,
    gather,
    training,
)


class Dromedary:
    """The recipe `Dromedary`."""

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run as far as the results decide them."""
        yield prepare(spec)
        if prepared is None:
            return UNDECIDED
        run, history = RunContext(resolve(spec), prepared), History()
        counts = spec.dromedary or DromedarySpec()
        pool = yield from _pool(run, history, counts)
        if isinstance(pool, End):
            return pool
        for t in range(1, spec.iterations + 1):
            end = yield from _iteration(run, history, t, pool, counts)
            if end is not None:
                return end
        return FINISHED


def _pool(
    run: RunContext, history: History, counts: DromedarySpec
) -> Generator[Stage, Statistics | None, Gathered | End]:
    """Yield step 1: topics, instructions from seed tasks, topic-guided instructions."""
    if not counts.topic_guided:
        return (yield from gather(run, history, 1, _from_seed_tasks(run, NOTHING)))
    subjects = yield from gather(run, history, 1, _topics(run, counts))
    if isinstance(subjects, End):
        return subjects
    # One count of rounds goes through the whole iteration, so that no two stages share an id.
    begin = replace(NOTHING, rounds=subjects.rounds)
    ordinary = yield from gather(run, history, 1, _from_seed_tasks(run, begin))
    if isinstance(ordinary, End):
        return ordinary
    return (yield from gather(run, history, 1, _topic_guided(run, counts, subjects, ordinary)))


def _topics(run: RunContext, counts: DromedarySpec) -> Series:
    return Series(
        count=counts.topics,
        field="dromedary.topics",
        generate=lambda number, completions, _previous: generate(
            run, 1, number, completions, task_list="Topics"
        ),
        gather=lambda number, previous: topics(
            run, 1, number, previous=previous, count=counts.topics
        ),
        what="topics",
    )


def _from_seed_tasks(run: RunContext, begin: Gathered) -> Series:
    return Series(
        count=run.spec.instructions.count,
        field="instructions.count",
        generate=lambda number, completions, _previous: generate(run, 1, number, completions),
        gather=lambda number, previous: curate(run, 1, number, previous=previous, pool=()),
        gathered=begin,
    )


def _topic_guided(
    run: RunContext, counts: DromedarySpec, subjects: Gathered, ordinary: Gathered
) -> Series:
    return Series(
        count=counts.topic_guided,
        field="dromedary.topicGuided",
        generate=lambda number, completions, _previous: generate(
            run, 1, number, completions, task_list="TopicGuided", topics=subjects.stage
        ),
        gather=lambda number, previous: curate(
            run,
            1,
            number,
            previous=previous,
            pool=(),
            count=run.spec.instructions.count + counts.topic_guided,
            task_list="TopicGuided",
        ),
        what="topic-guided instructions",
        gathered=ordinary,
    )


def _iteration(
    run: RunContext, history: History, t: int, pool: Gathered, counts: DromedarySpec
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
            exemplars=counts.exemplars,
            drawn=True,
        )
    else:
        answered = min(counts.verbose or pool.accepted, pool.accepted)
        stage = respond(run, t, pool.stage, answered, asking="Verbose", drawn=True)
    yield history.note(stage)
    return (yield from training(run, history, t, stage.id, answered))
