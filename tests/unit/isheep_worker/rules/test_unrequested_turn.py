"""The next turn of a dialogue that the task did not ask for."""

import pytest

from isheep_worker.rules.interface import Example
from isheep_worker.rules.new_turn import NEW_TURN
from isheep_worker.rules.unrequested_turn import UNREQUESTED_TURN


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        ("A wren.\nUser: And a tree?", "User"),
        ("A wren.\n\nHuman\nAnd a tree?", "Human"),
        ("A wren.\nassistant\n\n", "assistant"),
        ("A wren.\nuser: And a tree?\nassistant: An oak.", "user"),
        ("A wren.\nAssistant :x", "Assistant"),
        ("A wren.\nHUMAN: more", "HUMAN"),
        ("A wren.\n\nQuestion: Which tree?\nAnswer: An oak.", "Question"),
        ("```\nx = 1\n```\nHuman: Thanks.", "Human"),
    ],
)
def test_a_new_turn_is_found(response: str, detail: str) -> None:
    row = Example("Name a small bird.", response=response)
    assert UNREQUESTED_TURN.check(row) == detail
    assert NEW_TURN.check(row) is not None


def test_another_task_in_the_form_of_the_prompt_is_found() -> None:
    row = Example(response="A wren.\n\nInstruction: Name a tree.\nInput:\nOutput: An oak.")
    assert UNREQUESTED_TURN.check(row) == "Instruction"


@pytest.mark.parametrize(
    "response",
    [
        'def add(a, b):\n    """Return the sum.\n\n    Output: a number\n    """\n    return a + b',
        '"""Say who it is.\nHuman: a person\n"""\nx = 1',
        "def f(s):\n    '''\nQuestion: is it long?\nUser: yes\n'''\n    return len(s)",
        "class Post:\n    user: str\n    output: list[int]",
        "```yaml\nUser: ada\nSystem: linux\n```",
        "name: app\nuser: ada\nsystem: linux",
        "Sort the list.\n\nInput: 3 1 2\nOutput: 1 2 3",
        "Run the program.\nOutput:\n```\n3\n```",
        "The roles are:\nadmin\nuser\nguest",
        "// the greeting\nprint('x')\n# User: not a label",
        "User: is the first word.",
        "A wren.\nUsers: many.\nThe user: unknown.\nHuman beings like it.",
    ],
)
def test_code_and_shown_outputs_are_spared(response: str) -> None:
    assert UNREQUESTED_TURN.check(Example("Write the text.", response=response)) is None


@pytest.mark.parametrize(
    ("instruction", "task_input"),
    [
        ("Write a dialogue about birds.", ""),
        ("Continue the conversation.", ""),
        ("Write a quiz with answers.", ""),
        ("Continue.", "User: Name a bird.\nAssistant:"),
    ],
)
def test_a_requested_dialogue_is_spared(instruction: str, task_input: str) -> None:
    label = "Question" if "quiz" in instruction else "User"
    row = Example(instruction, task_input, f"Hello.\n{label}: Which bird?\nAnswer: A wren.")
    assert UNREQUESTED_TURN.check(row) is None


def test_a_hostile_response_takes_linear_time() -> None:
    for text in ('"""', "\nuser", "\nuser:x", "\nuser\n", "''' \n"):
        row = Example(response=text * 20_000)
        assert UNREQUESTED_TURN.check(row) in {None, "user"}
