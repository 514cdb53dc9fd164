"""curate: parse a round's completions into instructions and accept those that pass (§3.1).

The output has all instructions that were accepted so far in the iteration, so that respond and the
next round read one artifact. One worker makes it, because deduplication compares all instructions.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.recipes.settings import CurateSettings
from isheep_worker.curation.curate import Criteria, curate_round
from isheep_worker.curation.stored_benchmarks import stored_decontaminator
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.single_writer import drop_examples, round_statistics, write_parts
from isheep_worker.inputs.seed_tasks import read_seed_tasks
from isheep_worker.rows.schema import COMPLETIONS, INSTRUCTIONS, WHOLE_TASKS
from isheep_worker.rules.sets import rule_set
from isheep_worker.task_lists.registry import WHOLE, task_list
from isheep_worker.templates.prompting import load_library


def run(context: StageContext[CurateSettings]) -> StageOutcome:
    """Curate the round, and commit all instructions of the iteration that were accepted so far."""
    settings = context.settings
    codec = WHOLE_TASKS if settings.task_list in WHOLE else INSTRUCTIONS
    criteria = Criteria(
        iteration=context.step.iteration,
        count=settings.count,
        exemplars=settings.examples_per_prompt,
        rules=rule_set(settings.rules, settings.language).instruction_rules,
        max_rouge_l=settings.deduplication.max_rouge_l,
        drop_last=settings.drop_last,
        decontaminator=stored_decontaminator(context.inputs, settings.decontamination),
        task_list=task_list(settings.task_list),
    )
    curated = curate_round(
        criteria,
        context.rows("completions", COMPLETIONS),
        pool=_pool(context),
        previous=list(context.rows_of_all("accepted", codec)),
    )
    count = write_parts(context, (codec.encode(row) for row in curated.accepted))
    return commit(
        context,
        round_statistics(curated),
        parts=context.artifacts.collect_parts(context.step.key, count),
        examples=drop_examples(curated.drops),
    )


def _pool(context: StageContext[CurateSettings]) -> Iterator[str]:
    """Yield the earlier instructions with which new ones are compared, without this iteration's."""
    seeds = context.inputs.get(context.settings.seed_tasks)
    for task in read_seed_tasks(seeds, "the run's seed tasks"):
        yield task.instruction
    if context.settings.templates is not None:
        library = load_library(context.inputs, context.settings.templates)
        yield from task_list(context.settings.task_list).own_examples(library)
    for row in context.rows_of_all("pool", INSTRUCTIONS):
        yield row.instruction
