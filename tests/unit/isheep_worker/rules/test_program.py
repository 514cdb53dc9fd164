"""Self-Instruct's rule against tasks that begin with "Write a program"."""

import pytest

from isheep_worker.rules.program import WRITE_A_PROGRAM
from isheep_worker.text.parsing import ParsedTask


@pytest.mark.parametrize(
    ("instruction", "task_input", "detail"),
    [
        ("Write a program that adds numbers.", "", "Write a program"),
        ("WRITE A PROGRAM.", "", "WRITE A PROGRAM"),
        ("Explain how to write a program.", "", None),
        ("Write a programme for a concert.", "", "Write a program"),
    ],
)
def test_the_beginning_of_the_instruction_is_checked(
    instruction: str, task_input: str, detail: str | None
) -> None:
    assert WRITE_A_PROGRAM.check(ParsedTask(1, instruction, task_input)) == detail
