"""How a stage that one worker makes in one go leaves its rows: in order, in parts.

The rows are a function of the inputs, so a part that an earlier attempt has written is
the one that would be written now, and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from isheep.recipes.interface import PART_ITEMS
from isheep.recipes.settings import StageSettings
from isheep_worker.curation.gathering import GatheredRound
from isheep_worker.execution.context import StageContext
from isheep_worker.rules.counts import MAX_CHARACTERS, DropCounts


def write_parts(context: StageContext[StageSettings], lines: Iterable[bytes]) -> int:
    """Write lines as parts, reporting progress in items; returns the number of parts."""
    artifacts, key = context.artifacts, context.step.key
    existing = set(artifacts.parts(key))
    count = items = 0
    for part, chunk in enumerate(_chunks(lines)):
        context.stop.check()
        if part not in existing:
            artifacts.write_part(key, part, chunk)
        count += 1
        items += len(chunk)
        context.progress.items(items)
    return count


def drop_statistics(drops: DropCounts, prefix: str = "") -> dict[str, float]:
    """Return the counts as `drop:<prefix><rule>`."""
    return {f"drop:{prefix}{rule}": count.count for rule, count in drops.by_rule().items()}


def round_statistics(gathered: GatheredRound[Any]) -> dict[str, float]:
    """Return the counts of a round: what was read, accepted and dropped."""
    statistics: dict[str, float] = {
        "completions": gathered.completions,
        "parsed": gathered.parsed,
        "new": gathered.newly_accepted,
        "accepted": len(gathered.accepted),
        "drop:surplus": gathered.beyond_count,
    }
    for kind, count in gathered.parse_failures.items():
        statistics[f"drop:parse-{kind}"] = count
    return statistics | drop_statistics(gathered.drops)


def drop_examples(drops: DropCounts, prefix: str = "") -> dict[str, Sequence[str]]:
    """Return a few dropped texts of each rule, with what it found in them."""
    return {
        f"{prefix}{rule}": [
            f"{example.detail}: {example.text}"[:MAX_CHARACTERS] for example in count.examples
        ]
        for rule, count in drops.by_rule().items()
    }


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(lines)
    while chunk := list(islice(iterator, PART_ITEMS)):
        yield chunk
