"""`preference`: a chosen and a rejected response to the same task.

The format needs two scored responses to one task in the same iteration, so that one assessor has
scored both. Kept and dropped pairs count. The chosen response has the highest mean score and the
rejected one the lowest, and no level may prefer the rejected one. A response that a rule dropped
has no scores and makes no pair. Nothing is invented: if an iteration has one response for each
task, it has no preferences.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import get_args

from isheep.contract.choices import Level
from isheep.export.rows import Example, ExportError, Row, Rows

_LEVELS = frozenset(get_args(Level))


def examples(rows: Rows) -> Iterator[Example]:
    """Yield one line for each task that has a better and a worse response.

    Raises `ExportError` if there is no such task.
    """
    times = Counter(_task(row) for row in rows() if _is_scored(row))
    groups: defaultdict[bytes, list[Row]] = defaultdict(list)
    for row in rows():
        task = _task(row)
        if times[task] > 1 and _is_scored(row):
            groups[task].append(row)
    found = False
    for group in groups.values():
        example = _preference(group)
        if example is not None:
            found = True
            yield example
    if not found:
        raise ExportError(
            "the iteration has no two responses with different scores to the same instruction and "
            f"input ({len(times)} tasks have scores, {len(groups)} of them more than one response),"
            " so it has no preferences; use another format, or sample more responses to these "
            "instructions with a tool of your choice"
        )


def _preference(group: Sequence[Row]) -> Example | None:
    best = max(group, key=lambda row: fmean(row.scores.values()))
    worst = min(group, key=lambda row: fmean(row.scores.values()))
    if best.response == worst.response or not _is_better(best, worst):
        return None
    return Example(
        {
            "prompt": [{"role": "user", "content": best.message}],
            "chosen": [{"role": "assistant", "content": best.response}],
            "rejected": [{"role": "assistant", "content": worst.response}],
            "instruction": best.instruction,
            "input": best.input,
            "finish_reason": best.finish_reason,
            "finish_reason_rejected": worst.finish_reason,
            "scores": best.scores,
            "scores_rejected": worst.scores,
        },
        {"id": best.id, "rejected": worst.id},
    )


def _is_better(one: Row, other: Row) -> bool:
    """Return whether a response is better on a level and worse on none."""
    if one.scores.keys() != other.scores.keys():
        return False
    differences = [score - other.scores[level] for level, score in one.scores.items()]
    return min(differences) >= 0 and max(differences) > 0


def _is_scored(row: Row) -> bool:
    # Other selection methods store perplexities, which do not show which response is better.
    return bool(row.scores) and row.scores.keys() <= _LEVELS


def _task(row: Row) -> bytes:
    return hashlib.sha256(f"{row.instruction}\0{row.input}".encode()).digest()
