"""Runs that differ in their random seed only: the chance that an interval over items cannot show.

The interval of one run covers the draw of the items. Another random seed gives other instructions,
other responses and another training. Three runs or more with different seeds show how much the
result changes with it. This module imports the statistics of the worker in place of a copy of them,
and starts no worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isheep.api.status import IterationRecord
from isheep.cli.figures.interval_text import with_interval

LEAST_SEEDS = 3
SEED_FIELD = "randomSeed"


@dataclass(frozen=True, slots=True)
class SeededRun:
    """A run of the comparison: its title, its spec with defaults, and its records by iteration.

    `pinned` has what the run was planned with besides its spec, such as the commit of its model.
    """

    title: str
    spec: Mapping[str, Any]
    history: Mapping[int, IterationRecord]
    pinned: Mapping[str, Any] = field(default_factory=dict)


def seed_groups(runs: Sequence[SeededRun]) -> list[tuple[SeededRun, ...]]:
    """Return the groups of at least three runs that differ in their random seed only."""
    groups: dict[str, dict[int, SeededRun]] = {}
    for run in runs:
        rest = {name: value for name, value in run.spec.items() if name != SEED_FIELD}
        key = json.dumps([rest, run.pinned], sort_keys=True)
        groups.setdefault(key, {}).setdefault(int(run.spec.get(SEED_FIELD, 0)), run)
    return [tuple(group.values()) for group in groups.values() if len(group) >= LEAST_SEEDS]


def seed_lines(runs: Sequence[SeededRun]) -> Iterator[str]:
    """Yield a sentence for each iteration of each group of seeds."""
    for group in seed_groups(runs):
        titles = ", ".join(run.title for run in group)
        yield f"random seeds: {titles} differ in their random seed only"
        for t in sorted({t for run in group for t in run.history}):
            found: dict[tuple[str, str], list[float]] = {}
            for run in group:
                for name, unit, difference in _differences(run.history.get(t)):
                    found.setdefault((name, unit), []).append(difference)
            for (name, unit), differences in found.items():
                if len(differences) >= LEAST_SEEDS:
                    yield f"M({t}): {_mean_text(name, unit, differences)}"


def _differences(record: IterationRecord | None) -> Iterator[tuple[str, str, float]]:
    """Yield what a record compares with M(0): its name, the words after the difference, and it."""
    if record is None:
        return
    if record.yardstick is not None and record.yardstick.difference is not None:
        yield "loss on seed tasks", "nats a token against M(0)", record.yardstick.difference
    if record.benchmark is not None:
        yield record.benchmark.name, "against M(0)", record.benchmark.difference
    if record.judgement is not None:
        yield f"win rate on {record.judgement.name}", "from 0.5", record.judgement.rate - 0.5
    if (grades := record.grades) is not None:
        yield f"mean grade on {grades.name}", "against M(0)", grades.difference
        if grades.second_turn is not None:
            name = f"mean grade on the second turns of {grades.name}"
            yield name, "against M(0)", grades.second_turn.difference


def _mean_text(name: str, unit: str, differences: Sequence[float]) -> str:
    head = f"{name} over {len(differences)} random seeds"
    try:
        from isheep_worker.statistics.mean_interval import mean_interval  # noqa: PLC0415 (scipy)

        found = mean_interval(differences)
    except ImportError:
        return (
            f"{head}: no interval, because scipy is not installed; "
            "install it with: pip install 'isheep[cpu]'"
        )
    ends = (None, None) if found.interval is None else (found.interval.low, found.interval.high)
    text = f"{head} {found.mean:+.3f} {unit}"
    return with_interval(text, found.values, *ends, over=" over seeds")
