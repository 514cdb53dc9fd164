"""Rules that compare a pair's fields: an empty response, an input that adds nothing.

The last two are Self-Instruct's: an answer that repeats its input, and an input
or answer that breaks off after a colon.
"""

from __future__ import annotations

from isheep_worker.rules.interface import Pair, Rule


def _empty_response(row: Pair) -> str | None:
    return None if row.response.strip() else "the response is empty"


def _input_in_instruction(row: Pair) -> str | None:
    task_input = row.input.strip()
    return task_input if task_input and task_input in row.instruction else None


def _input_equals_response(row: Pair) -> str | None:
    task_input = row.input.strip()
    return task_input if task_input and task_input == row.response.strip() else None


def _ends_with_colon(row: Pair) -> str | None:
    for name, text in (("input", row.input), ("response", row.response)):
        if text.rstrip().endswith(":"):
            return name
    return None


EMPTY_RESPONSE: Rule[Pair] = Rule("empty_response", _empty_response)
INPUT_IN_INSTRUCTION: Rule[Pair] = Rule("input_in_instruction", _input_in_instruction)
INPUT_EQUALS_RESPONSE: Rule[Pair] = Rule("input_equals_response", _input_equals_response)
ENDS_WITH_COLON: Rule[Pair] = Rule("ends_with_colon", _ends_with_colon)
