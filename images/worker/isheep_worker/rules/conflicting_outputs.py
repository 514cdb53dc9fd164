"""Self-Instruct's rule over all instances of a task: one input has one output.

If a model gives two answers to one question, nothing shows which answer is right, so none of the
task's instances is kept. An empty input is not a question: three poems about spring do not
contradict each other. Inputs and outputs are compared in their plain form.
"""

from __future__ import annotations

from collections.abc import Sequence

from isheep_worker.rules.interface import Example, GroupRule, Pair
from isheep_worker.text.comparison import comparable


def _check(rows: Sequence[Pair]) -> str | None:
    outputs: dict[str, str] = {}
    for row in rows:
        task_input, output = comparable(row.input).strip(), comparable(row.response).strip()
        if task_input and outputs.setdefault(task_input, output) != output:
            return task_input
    return None


CONFLICTING_OUTPUTS = GroupRule(
    "conflicting-outputs",
    _check,
    drops="Two instances of the instruction have the same input and different outputs; all "
    "instances of the instruction are dropped.",
    example=(
        Example("Is it a bird?", "wren", "Yes"),
        Example("Is it a bird?", "wren", "No"),
    ),
)
