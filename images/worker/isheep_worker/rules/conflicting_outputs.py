"""Self-Instruct's rule over all instances of a task: one input has one output.

Where a model gives two answers to the same question it does not know which is right,
and neither do we: none of the task's instances is kept. An empty input is no question:
three poems about spring do not contradict each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from isheep_worker.rules.interface import GroupRule, Pair


def _check(rows: Sequence[Pair]) -> str | None:
    outputs: dict[str, str] = {}
    for row in rows:
        task_input, output = row.input.strip(), row.response.strip()
        if task_input and outputs.setdefault(task_input, output) != output:
            return task_input
    return None


CONFLICTING_OUTPUTS = GroupRule("conflicting_outputs", _check)
