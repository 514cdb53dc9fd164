"""The two rules that know of other rows: contamination by a benchmark, repetition of the pool.

What they look at and what they say stands here once, for the stage curate and for
`isheep filter` alike.
"""

from __future__ import annotations

from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.rules.interface import Drop, Task

CONTAMINATION = "contamination"
ROUGE = "rouge"


def contamination(decontaminator: Decontaminator, task: Task) -> Drop | None:
    """Return the drop of a task that repeats a benchmark, in its input or without; None if none."""
    benchmark = decontaminator.match(f"{task.instruction}\n{task.input}")
    return Drop(CONTAMINATION, benchmark) if benchmark else None


def repetition(deduplicator: Deduplicator, instruction: str) -> Drop | None:
    """Return the drop of an instruction that nearly repeats one of the pool; None if none."""
    duplicate = deduplicator.find(instruction)
    if duplicate is None:
        return None
    return Drop(ROUGE, f"{float(duplicate.score):.3f} to: {duplicate.text}")
