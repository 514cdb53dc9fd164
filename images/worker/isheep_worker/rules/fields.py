"""Rules that compare the fields of a pair: an empty response, an input that adds nothing.

The last two rules are Self-Instruct's: a response that repeats the input, and an input or a
response that ends with a colon, so it is incomplete. Fields are compared in their plain form, and a
response of invisible characters is empty.
"""

from __future__ import annotations

from isheep_worker.rules.interface import Example, Pair, Rule
from isheep_worker.text.comparison import comparable, visible


def _empty_response(row: Pair) -> str | None:
    return None if visible(row.response) else "the response is empty"


def _input_in_instruction(row: Pair) -> str | None:
    task_input = comparable(row.input).strip()
    return task_input if task_input and task_input in comparable(row.instruction) else None


def _input_equals_response(row: Pair) -> str | None:
    task_input = comparable(row.input).strip()
    return task_input if task_input and task_input == comparable(row.response).strip() else None


def _ends_with_colon(row: Pair) -> str | None:
    for name, text in (("input", row.input), ("response", row.response)):
        if comparable(text).rstrip().endswith(":"):
            return name
    return None


EMPTY_RESPONSE: Rule[Pair] = Rule(
    "empty-response",
    _empty_response,
    drops="The response is empty, or all its characters are invisible.",
    example=Example(response=" "),
)
INPUT_IN_INSTRUCTION: Rule[Pair] = Rule(
    "input-in-instruction",
    _input_in_instruction,
    drops="The instruction contains the whole input, so the input adds nothing.",
    example=Example("Sort the words pear and apple.", "pear and apple", "apple, pear"),
)
INPUT_EQUALS_RESPONSE: Rule[Pair] = Rule(
    "input-equals-response",
    _input_equals_response,
    drops="The response is the same text as the input.",
    example=Example("Name the bird.", "a wren", "a wren"),
)
ENDS_WITH_COLON: Rule[Pair] = Rule(
    "ends-with-colon",
    _ends_with_colon,
    drops="The input or the response ends with a colon, so it is incomplete.",
    example=Example(response="Here are three birds:"),
)
