"""The ids of rows: the completion that a row is from can be read from its id.

`i2-r1-c00012` is completion 12 of round 1 of iteration 2. The ids of instructions, pairs and scores
begin with it, and continue with the position of the task.
"""

from __future__ import annotations

_POSITION = "-p"


def completion_id(iteration: int, round_number: int, completion: int) -> str:
    """Return the id of a completion, such as `i2-r1-c00012`."""
    return f"i{iteration}-r{round_number}-c{completion:05d}"


def instruction_id(iteration: int, round_number: int, completion: int, position: int) -> str:
    """Return the id of an instruction, such as `i2-r1-c00012-p3`."""
    return f"{completion_id(iteration, round_number, completion)}{_POSITION}{position}"


def completion_of(row: str) -> str:
    """Return the id of the completion that a row is from; the row's own id if it names none."""
    return row.rpartition(_POSITION)[0] or row
