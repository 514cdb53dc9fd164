"""curate: a round's completions become accepted instructions (§3.1).

Its output is all that is accepted so far in the iteration, so that respond and the next
round read one artifact. One worker makes it: deduplication is global.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.recipes.settings import CurateSettings, DecontaminationSettings
from isheep_worker.context import StageContext, StageOutcome
from isheep_worker.curation import CONTAMINATION, Criteria, CuratedRound, curate_round
from isheep_worker.decontamination import Decontaminator, read_benchmark
from isheep_worker.inputs import Inputs
from isheep_worker.parsing import DropLast
from isheep_worker.rows import COMPLETIONS, INSTRUCTIONS, InstructionRow
from isheep_worker.rules.sets import rule_set
from isheep_worker.seed_tasks import read_seed_tasks
from isheep_worker.stages.commit import commit
from isheep_worker.stages.single_writer import drop_examples, drop_statistics, write_parts

_STATISTICS_NAME = {CONTAMINATION: "decontamination"}


def run(context: StageContext[CurateSettings]) -> StageOutcome:
    """Curate the round and commit all instructions accepted so far."""
    settings = context.settings
    previous = [
        row for key in context.step.inputs.get("accepted", ()) for row in _rows(context, key)
    ]
    criteria = Criteria(
        iteration=context.step.iteration,
        count=settings.count,
        first_number=settings.examples_per_prompt + 1,
        rules=rule_set(settings.rules, settings.language).instruction_rules,
        max_rouge_l=settings.deduplication.max_rouge_l,
        drop_last=DropLast(settings.drop_last),
        decontaminator=_decontaminator(context.inputs, settings.decontamination),
    )
    completions = context.artifacts.read_lines(context.input_key("completions"))
    curated = curate_round(
        criteria,
        (COMPLETIONS.decode(line) for line in completions),
        pool=_pool(context),
        previous=previous,
    )
    count = write_parts(context, (INSTRUCTIONS.encode(row) for row in curated.accepted))
    return commit(
        context,
        _statistics(curated),
        parts=context.artifacts.collect_parts(context.step.key, count),
        examples=drop_examples(curated.drops),
    )


def _pool(context: StageContext[CurateSettings]) -> Iterator[str]:
    """Yield the instructions that none may repeat, besides this iteration's."""
    seeds = context.inputs.get(context.settings.seed_tasks)
    for task in read_seed_tasks(seeds, "the run's seed tasks"):
        yield task.instruction
    for key in context.step.inputs.get("pool", ()):
        for row in _rows(context, key):
            yield row.instruction


def _rows(context: StageContext[CurateSettings], key: str) -> Iterator[InstructionRow]:
    for line in context.artifacts.read_lines(key):
        yield INSTRUCTIONS.decode(line)


def _decontaminator(
    inputs: Inputs, settings: DecontaminationSettings | None
) -> Decontaminator | None:
    if settings is None:
        return None
    decontaminator = Decontaminator(settings.ngram)
    for name, digest in sorted(settings.benchmarks.items()):
        lines = inputs.get(digest).splitlines()
        decontaminator.add_benchmark(name, read_benchmark(lines, f"{name}.jsonl"))
    return decontaminator


def _statistics(curated: CuratedRound) -> dict[str, float]:
    statistics: dict[str, float] = {
        "completions": curated.completions,
        "parsed": curated.parsed,
        "new": curated.newly_accepted,
        "accepted": len(curated.accepted),
        "drop:surplus": curated.beyond_count,
    }
    for kind, count in curated.parse_failures.items():
        statistics[f"drop:parse-{kind}"] = count
    return statistics | drop_statistics(curated.drops)
