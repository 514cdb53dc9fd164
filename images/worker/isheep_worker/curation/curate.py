"""From the completions of a round to accepted instructions (§3.2); `gathering.py` has the loop.

Each parsed task passes these checks in order: the rules, contamination, repetition of an earlier
instruction. Repetition is last because only this check has a memory: a task that is dropped for
another reason must not cause the drop of a similar good task.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from isheep.contract.choices import DropLast
from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.curation.gathering import GatheredRound, gather_round, in_canonical_order
from isheep_worker.curation.pool_rules import contamination, repetition
from isheep_worker.rows.row_ids import instruction_id
from isheep_worker.rows.schema import CompletionRow, InstructionRow, WholeTaskRow
from isheep_worker.rules.interface import Drop, Rule, Task, first_drop
from isheep_worker.task_lists.interface import TaskList
from isheep_worker.task_lists.isheep import ISheepList
from isheep_worker.text.parsing import ParsedCompletion, ParsedTask


@dataclass(frozen=True, slots=True)
class Criteria:
    """The criteria that a parsed task must satisfy to become an accepted instruction.

    `count` is I, the number of instructions of all rounds of the iteration together. `exemplars` is
    the number of exemplars in each prompt. `max_rouge_l` is between 0 and 1.
    """

    iteration: int
    count: int
    exemplars: int
    rules: tuple[Rule[Task], ...]
    max_rouge_l: float
    drop_last: DropLast = "IfCut"
    decontaminator: Decontaminator | None = None
    task_list: TaskList = field(default_factory=ISheepList)


CuratedRound: TypeAlias = GatheredRound[InstructionRow]


def curate_round(
    criteria: Criteria,
    completions: Iterable[CompletionRow],
    *,
    pool: Iterable[str],
    previous: Sequence[InstructionRow] = (),
) -> CuratedRound:
    """Return the accepted instructions of the rounds up to this one.

    The function keeps the completions of one round in memory.

    Args:
        criteria: The criteria of the run.
        completions: The completions of the round, in any order.
        pool: The instructions that no task may repeat, in addition to `previous`: those of the seed
            tasks and, if the pool is that of the run, those of earlier iterations.
        previous: The instructions that earlier rounds of the iteration accepted.

    Returns:
        The accepted rows of all rounds, and the counts of this round.

    Raises:
        ValueError: A completion appears twice, or precedes a completion of `previous`.
    """
    ordered = in_canonical_order(completions)
    _check_order(ordered, previous)
    deduplicator = Deduplicator(criteria.max_rouge_l)
    deduplicator.extend_pool(pool)
    deduplicator.extend_pool(row.instruction for row in previous)

    def parse(completion: CompletionRow) -> ParsedCompletion:
        return criteria.task_list.parse(
            completion.text,
            exemplars=criteria.exemplars,
            cut=completion.finish_reason == "length",
            drop_last=criteria.drop_last,
        )

    return gather_round(
        ordered,
        count=criteria.count,
        previous=previous,
        parse=parse,
        drop=lambda task: _drop(task, criteria, deduplicator),
        row=lambda completion, task: _row(criteria.iteration, completion, task),
    )


def _check_order(ordered: Sequence[CompletionRow], previous: Sequence[InstructionRow]) -> None:
    last = (previous[-1].round, previous[-1].completion) if previous else None
    for row in ordered:
        place = (row.round, row.completion)
        if last is not None and place <= last:
            raise ValueError(
                f"completion {row.completion} of round {row.round} appears twice, or comes "
                f"after completion {last[1]} of round {last[0]} was curated"
            )
        last = place


def _drop(task: ParsedTask, criteria: Criteria, deduplicator: Deduplicator) -> Drop | None:
    """Return why a task is dropped, or add an accepted task to the pool and return None."""
    drop = first_drop(criteria.rules, task)
    if drop is None and criteria.decontaminator is not None:
        drop = contamination(criteria.decontaminator, task)
    if drop is None:
        drop = repetition(deduplicator, task.instruction)
    if drop is None:
        deduplicator.add(task.instruction)
    return drop


def _row(iteration: int, completion: CompletionRow, task: ParsedTask) -> InstructionRow:
    row = InstructionRow(
        id=instruction_id(iteration, completion.round, completion.completion, task.position),
        instruction=task.instruction,
        input=task.input,
        round=completion.round,
        completion=completion.completion,
        position=task.position,
    )
    return row if task.output is None else WholeTaskRow(**asdict(row), response=task.output)
