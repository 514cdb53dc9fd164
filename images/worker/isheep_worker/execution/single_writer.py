"""The output of a stage that one worker makes alone: rows in order, in parts.

The rows are a function of the inputs. A part that an earlier attempt has stored is therefore the
part that would be written now, and is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from isheep.contract.rule_names import DROP
from isheep.recipes.interface import PART_ITEMS
from isheep.recipes.settings import StageSettings
from isheep_worker.curation.gathering import GatheredRound
from isheep_worker.execution.context import StageContext
from isheep_worker.rules.counts import MAX_CHARACTERS, DropCounts
from isheep_worker.rules.drop_reasons import SURPLUS


def write_parts(context: StageContext[StageSettings], lines: Iterable[bytes]) -> int:
    """Write lines as parts, report progress in items, and return the number of parts."""
    artifacts, key = context.artifacts, context.step.key
    existing = set(artifacts.parts(key))
    count = items = 0
    for part, chunk in enumerate(_chunks(lines)):
        context.stop.check()
        count += 1
        items += len(chunk)
        if part not in existing:
            artifacts.write_part(key, part, chunk)
            context.log_part(part, len(chunk), items)
        context.progress.items(items)
    return count


def drop_statistics(drops: DropCounts) -> dict[str, float]:
    """Return the counts as `drop:<rule>`."""
    return {DROP + rule: count.count for rule, count in drops.by_rule().items()}


def round_statistics(gathered: GatheredRound[Any]) -> dict[str, float]:
    """Return the counts of a round: completions, parsed, accepted and dropped instructions."""
    statistics: dict[str, float] = {
        "completions": gathered.completions,
        "parsed": gathered.parsed,
        "new": gathered.newly_accepted,
        "accepted": len(gathered.accepted),
        DROP + SURPLUS.name: gathered.beyond_count,
    }
    for kind, count in gathered.parse_failures.items():
        statistics[DROP + kind] = count
    return statistics | drop_statistics(gathered.drops)


def drop_examples(drops: DropCounts) -> dict[str, Sequence[str]]:
    """Return a few texts that each rule dropped, each with the detail that the rule found."""
    return {
        rule: [f"{example.detail}: {example.text}"[:MAX_CHARACTERS] for example in count.examples]
        for rule, count in drops.by_rule().items()
    }


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(lines)
    while chunk := list(islice(iterator, PART_ITEMS)):
        yield chunk
