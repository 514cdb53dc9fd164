"""A response that contains a question to the user."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.question_back import QUESTION_BACK


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        ("A wren.\nCan you name a tree?", "Can you"),
        ("A wren.\n\ncan you", "can you"),
        ("Why do you like wrens?", "do you like wrens?"),
        ("You do you. Fine.", None),
        ("So do you. And who else?", None),
        ("A wren.\n\nWhat about trees?", "What about trees?"),
        ("A wren.\n \n" + "x" * 99 + "?", "x" * 99 + "?"),
        ("A wren.\n\n" + "x" * 100 + "?", None),
        ("What a bird?\nYes.", None),
        ("I can. You may.", None),
    ],
)
def test_a_question_to_the_user_is_found(response: str, detail: str | None) -> None:
    pair = PairRow("id", "Name a bird.", "", response, "stop", 9, 4)
    assert QUESTION_BACK.check(pair) == detail
