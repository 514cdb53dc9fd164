"""From the completions of a round to the accepted rows: a pure fold in canonical order.

The canonical order is (round, completion, position in the completion). Any number of pods may have
generated the parts in any order. The result depends only on the canonical order, and the first
`count` rows that pass are accepted. A round starts with the rows that earlier rounds accepted and
never removes one of them, so two rounds one after the other accept the same rows as both rounds
together.

Instructions and topics use the same fold; the caller passes the function that drops a task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from isheep_worker.rows.schema import CompletionRow
from isheep_worker.rules.counts import DropCounts
from isheep_worker.rules.interface import Drop
from isheep_worker.text.parsing import ParsedCompletion, ParsedTask

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class GatheredRound(Generic[RowT]):
    """The result of a round.

    `accepted` contains the rows of all rounds so far, in canonical order. All other fields describe
    this round: `parsed` = `newly_accepted` + `drops.total` + `beyond_count`. `beyond_count` is the
    number of tasks that came after `count` was reached; they were not checked. `parse_failures` has
    the number of failures by kind.
    """

    accepted: tuple[RowT, ...]
    newly_accepted: int
    completions: int
    parsed: int
    beyond_count: int
    drops: DropCounts
    parse_failures: dict[str, int]


def in_canonical_order(completions: Iterable[CompletionRow]) -> list[CompletionRow]:
    """Return completions in the order of their rounds and numbers."""
    return sorted(completions, key=lambda row: (row.round, row.completion))


def gather_round(
    ordered: Sequence[CompletionRow],
    *,
    count: int,
    previous: Sequence[RowT],
    parse: Callable[[CompletionRow], ParsedCompletion],
    drop: Callable[[ParsedTask], Drop | None],
    row: Callable[[CompletionRow, ParsedTask], RowT],
) -> GatheredRound[RowT]:
    """Return the accepted rows and the counts of a round.

    Args:
        ordered: The completions of the round, in canonical order.
        count: The maximum number of accepted rows, those of earlier rounds included.
        previous: The rows that earlier rounds accepted.
        parse: The parser of a completion.
        drop: The function that returns why a task is dropped, or None; it may remember the tasks
            that pass.
        row: The function that makes a row of an accepted task.

    Returns:
        The accepted rows of all rounds, and the counts of this round.
    """
    accepted = list(previous)
    drops, failures = DropCounts(), Counter[str]()
    parsed_tasks = beyond_count = 0
    for completion in ordered:
        parsed = parse(completion)
        failures.update(parsed.failures)
        parsed_tasks += len(parsed.tasks)
        for task in parsed.tasks:
            if len(accepted) >= count:
                beyond_count += 1
            elif found := drop(task):
                drops.add(found, task.instruction)
            else:
                accepted.append(row(completion, task))
    return GatheredRound(
        accepted=tuple(accepted),
        newly_accepted=len(accepted) - len(previous),
        completions=len(ordered),
        parsed=parsed_tasks,
        beyond_count=beyond_count,
        drops=drops,
        parse_failures=dict(failures),
    )
