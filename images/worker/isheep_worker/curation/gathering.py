"""From a round's completions to what is accepted of them: a pure fold in canonical order.

Canonical order is (round, completion, position in the completion). Parts may have
been generated in any order by any number of pods; what is accepted depends on the
canonical order alone, and the first `count` in it are taken. A round begins with
what the rounds before it accepted and never takes any of it back, so that
gathering two rounds one after the other accepts what gathering both at once would.

Instructions and topics are gathered alike; what drops one of them is not said here.
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
    """What became of a round.

    `accepted` are the rows of all rounds so far, in canonical order. All else is of
    this round: `parsed` = `newly_accepted` + `drops.total` + `beyond_count` (tasks that
    came when `count` was reached, and were not looked at). `parse_failures` are counted
    by kind, as `parsing` names them.
    """

    accepted: tuple[RowT, ...]
    newly_accepted: int
    completions: int
    parsed: int
    beyond_count: int
    drops: DropCounts
    parse_failures: dict[str, int]


def in_canonical_order(completions: Iterable[CompletionRow]) -> list[CompletionRow]:
    """Return completions by round and number."""
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
    """Return what is accepted, at most `count` with the earlier rounds' (`previous`).

    `ordered` are the round's completions in canonical order; `drop` remembers what it
    lets pass.
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
