"""A label of the prompt in the middle of a task: two tasks run together.

A label with a number, such as `7. Input:`, begins a part of another task, and so does a label after
other text. Some labels belong to a good task, and the rule spares them:

- a label at the start of a field, such as the input `Input: racecar`: the model labelled the field;
- a label in quotation marks or brackets, such as `echo "Input: "`: the task is about this text;
- `Output:` in an instruction, such as `Output: positive or negative`: it describes the response.

Labels count with a capital letter only: "for the following input:" is plain English.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Rule, Task

# A number counts at the start of a line or of a sentence: "less than 10. Output:" has none.
_LABEL = re.compile(
    r"(?:(?:^|(?<=[.!?:;)>#]))[ \t]{0,8}+(?P<number>\d{1,4}+)[.):][ \t]{0,8}+)?+"
    r"\b(?P<label>(?:Instruction|Input|Output):)",
    re.ASCII | re.MULTILINE,
)
_BEFORE_A_FIELD = " \t\r\n#*"
_QUOTES = frozenset("\"'`([{<\u2018\u201c\u00ab")


def _check(row: Task) -> str | None:
    return _find(row.instruction, spared="Output:") or _find(row.input)


def _find(text: str, spared: str = "") -> str | None:
    start = len(text) - len(text.lstrip(_BEFORE_A_FIELD))
    for match in _LABEL.finditer(text):
        label, at = match["label"], match.start("label")
        quoted = at > 0 and text[at - 1] in _QUOTES
        if match["number"] or not (at == start or quoted or label == spared):
            return label
    return None


EMBEDDED_LABEL: Rule[Task] = Rule(
    "embedded-label",
    _check,
    drops="The instruction or the input contains a label of the prompt after other text, so two "
    "tasks run together.",
    example=Example("Name a small bird. Input: in Asia"),
)
