"""From a round's completions to accepted instructions: a pure fold in canonical order.

Canonical order is (round, completion, position in the completion). Parts may have
been generated in any order by any number of pods; what is accepted depends on the
canonical order alone, and the first `count` in it are taken. A round begins with
what the rounds before it accepted and never takes any of it back, so that
curating two rounds one after the other accepts what curating both at once would.

Each parsed task is tried in this order: the rules, contamination, repetition of
an earlier instruction. The last comes last because it alone remembers: a task
that is dropped for another reason must not push out a good one like it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isheep_worker.decontamination import Decontaminator
from isheep_worker.deduplication import Deduplicator
from isheep_worker.parsing import DropLast, ParsedTask, parse_completion
from isheep_worker.rows import CompletionRow, InstructionRow
from isheep_worker.rules.counts import DropCounts
from isheep_worker.rules.interface import Drop, Rule, Task, first_drop

CONTAMINATION = "contamination"
ROUGE = "rouge"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What makes a parsed task an accepted instruction.

    `count` is I, for all rounds of the iteration together; `first_number` is the
    number with which the prompts ended.
    """

    iteration: int
    count: int
    first_number: int
    rules: tuple[Rule[Task], ...]
    max_rouge_l: float
    drop_last: DropLast = DropLast.IF_CUT
    decontaminator: Decontaminator | None = None


@dataclass(frozen=True, slots=True)
class CuratedRound:
    """What became of a round.

    `accepted` are the rows of all rounds so far, in canonical order. All else is of
    this round: `parsed` = the new ones among them + `drops.total` + `beyond_count`
    (tasks that came when `count` was reached, and were not looked at).
    `parse_failures` are counted by kind, as `parsing` names them.
    """

    accepted: tuple[InstructionRow, ...]
    newly_accepted: int
    completions: int
    parsed: int
    beyond_count: int
    drops: DropCounts
    parse_failures: dict[str, int]
    needs_another_round: bool

    @property
    def accepted_per_completion(self) -> float:
        """The round's yield; 0 where it had no completions."""
        return self.newly_accepted / self.completions if self.completions else 0.0


def curate_round(
    criteria: Criteria,
    completions: Iterable[CompletionRow],
    *,
    pool: Iterable[str],
    previous: Sequence[InstructionRow] = (),
) -> CuratedRound:
    """Return what is accepted once a round's completions, in any order, are looked at.

    `pool` are the instructions besides `previous` (the earlier rounds' accepted) that
    none may repeat: the seed tasks' and, where the pool is the run's, earlier
    iterations'. Holds one round's completions in memory. Raises `ValueError` where a
    completion appears twice or belongs before what is already accepted.
    """
    ordered = sorted(completions, key=lambda row: (row.round, row.completion))
    _check_order(ordered, previous)
    deduplicator = Deduplicator(criteria.max_rouge_l)
    deduplicator.extend_pool(pool)
    deduplicator.extend_pool(row.instruction for row in previous)
    accepted = list(previous)
    parse_failures: Counter[str] = Counter()
    drops = DropCounts()
    parsed_tasks = beyond_count = 0
    for completion in ordered:
        parsed = parse_completion(
            completion.text,
            first_number=criteria.first_number,
            cut=completion.finish_reason == "length",
            drop_last=criteria.drop_last,
        )
        parse_failures.update(parsed.failures)
        parsed_tasks += len(parsed.tasks)
        for task in parsed.tasks:
            if len(accepted) >= criteria.count:
                beyond_count += 1
            elif drop := _drop(task, criteria, deduplicator):
                drops.add(drop, task.instruction)
            else:
                accepted.append(_row(criteria.iteration, completion, task))
    return CuratedRound(
        accepted=tuple(accepted),
        newly_accepted=len(accepted) - len(previous),
        completions=len(ordered),
        parsed=parsed_tasks,
        beyond_count=beyond_count,
        drops=drops,
        parse_failures=dict(parse_failures),
        needs_another_round=len(accepted) < criteria.count,
    )


def instruction_id(iteration: int, round_number: int, completion: int, position: int) -> str:
    """Return an instruction's id, such as `i2-r1-c00012-p3`."""
    return f"i{iteration}-r{round_number}-c{completion:05d}-p{position}"


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
    """Return why a task is not accepted; an accepted one has joined the pool."""
    drop = first_drop(criteria.rules, task)
    if drop is None and criteria.decontaminator is not None:
        benchmark = criteria.decontaminator.match(f"{task.instruction}\n{task.input}")
        drop = Drop(CONTAMINATION, benchmark) if benchmark else None
    if drop is None:
        (duplicate,) = deduplicator.accept([task.instruction])
        if duplicate:
            drop = Drop(ROUGE, f"{float(duplicate.score):.3f} to: {duplicate.text}")
    return drop


def _row(iteration: int, completion: CompletionRow, task: ParsedTask) -> InstructionRow:
    return InstructionRow(
        id=instruction_id(iteration, completion.round, completion.completion, task.position),
        instruction=task.instruction,
        input=task.input,
        round=completion.round,
        completion=completion.completion,
        position=task.position,
    )
