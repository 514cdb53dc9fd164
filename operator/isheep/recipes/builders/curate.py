"""curate: the completions of a round become accepted instructions (§3.1, §3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from isheep.contract.choices import TaskListStyle
from isheep.recipes import settings as s
from isheep.recipes.builders.context import Inputs, RunContext
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind

_WITH_OWN_EXAMPLES: frozenset[TaskListStyle | None] = frozenset({"TopicGuided"})
"""The task list styles whose prompts show examples that are not seed tasks."""

EVALUATED_TEXTS = "Evaluation"
"""The name of the texts of an evaluation's benchmarks in counts; no benchmark can have it."""


def curate(
    run: RunContext,
    t: int,
    number: int,
    *,
    previous: str | None,
    pool: Sequence[str],
    count: int | None = None,
    task_list: TaskListStyle | None = None,
) -> Stage:
    """Return the stage that collects instructions from the completions of round `number`.

    `previous` is the curate stage of the previous round. `pool` are the last curate stages of
    earlier iterations; if the deduplication pool is the run, no instruction may repeat theirs.
    `count` is the number of instructions over all rounds, None for the spec's. `task_list` is the
    style of the round's task list, None for I-SHEEP's.
    """
    spec, curation = run.spec, run.spec.curation
    inputs: Inputs = {"completions": (f"i{t}/generate/r{number}",)}
    if previous is not None:
        inputs["accepted"] = (previous,)
    if curation.deduplication.pool == "Run" and pool:
        inputs["pool"] = tuple(pool)
    decontamination = None
    if benchmarks := _forbidden_texts(run):
        decontamination = s.DecontaminationSettings(
            ngram=curation.decontamination.ngram, benchmarks=benchmarks
        )
    return Stage(
        f"i{t}/curate/r{number}",
        StageKind.CURATE,
        t,
        s.CurateSettings(
            count=spec.instructions.count if count is None else count,
            examples_per_prompt=spec.instructions.examples_per_prompt,
            language=spec.language,
            rules=curation.rules,
            drop_last=curation.drop_last,
            deduplication=s.DeduplicationSettings(
                max_rouge_l=curation.deduplication.max_rouge_l,
                pool=curation.deduplication.pool,
            ),
            decontamination=decontamination,
            seed_tasks=run.prepared.seed_tasks_digest,
            task_list=task_list,
            templates=run.prepared.templates_digest if task_list in _WITH_OWN_EXAMPLES else None,
        ),
        round=number,
        inputs=inputs,
    )


def _forbidden_texts(run: RunContext) -> dict[str, str]:
    """Return the digests of all texts that instructions must not share words with, by name."""
    evaluated = run.prepared.evaluation_texts
    return run.prepared.benchmarks | ({} if evaluated is None else {EVALUATED_TEXTS: evaluated})
