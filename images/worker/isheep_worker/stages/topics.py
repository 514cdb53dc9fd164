"""topics: parse a round's completions into topics for red-teaming (SELF-ALIGN, step 1).

As in curate, the output has all topics of the iteration so far, and one worker makes it.
"""

from __future__ import annotations

from isheep.recipes.settings import TopicsSettings
from isheep_worker.curation.topics import collect_topics
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.single_writer import drop_examples, round_statistics, write_parts
from isheep_worker.rows.schema import COMPLETIONS, TOPICS
from isheep_worker.templates.prompting import load_library
from isheep_worker.templates.red_teaming import seed_topics


def run(context: StageContext[TopicsSettings]) -> StageOutcome:
    """Collect the round's topics, and commit all topics of the iteration so far."""
    settings = context.settings
    collected = collect_topics(
        context.rows("completions", COMPLETIONS),
        iteration=context.step.iteration,
        count=settings.count,
        exemplars=settings.examples_per_prompt,
        drop_last=settings.drop_last,
        seeds=seed_topics(load_library(context.inputs, settings.templates)),
        previous=list(context.rows_of_all("accepted", TOPICS)),
    )
    count = write_parts(context, (TOPICS.encode(row) for row in collected.accepted))
    return commit(
        context,
        round_statistics(collected),
        parts=context.artifacts.collect_parts(context.step.key, count),
        examples=drop_examples(collected.drops),
    )
