"""The two rules that compare a row with other texts: contamination by a benchmark, repetition.

The stage curate and `isheep filter` use the same functions, so both compare the same texts and
return the same details.
"""

from __future__ import annotations

from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.rules.drop_reasons import CONTAMINATION, ROUGE_L
from isheep_worker.rules.interface import Drop, Task


def contamination(decontaminator: Decontaminator, task: Task) -> Drop | None:
    """Return the drop of a task whose instruction and input repeat a benchmark, or None."""
    benchmark = decontaminator.match(f"{task.instruction}\n{task.input}")
    return Drop(CONTAMINATION.name, benchmark) if benchmark else None


def repetition(deduplicator: Deduplicator, instruction: str) -> Drop | None:
    """Return the drop of an instruction that nearly repeats one of the pool, or None."""
    duplicate = deduplicator.find(instruction)
    if duplicate is None:
        return None
    score, limit = float(duplicate.score), float(deduplicator.max_rouge_l)
    return Drop(ROUGE_L.name, f"{score:.3f}, above {limit:g}, to: {duplicate.text}")
