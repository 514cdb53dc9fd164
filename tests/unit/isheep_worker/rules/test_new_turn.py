"""A response that continues with a new turn of a dialogue."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.new_turn import NEW_TURN


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        ("A wren.\nUser: And a tree?", "User"),
        ("A wren.\n\nHuman\nAnd a tree?", "Human"),
        ("A wren.\nassistant:", "assistant"),
        ("A wren.\n  System :x", "System "),
        ("A wren.\nQuestion: why?", "Question"),
        ("A wren.\nOutput:", "Output"),
        ("User: is the first word.", None),
        ("A wren.\nUsers: many.", None),
        ("A wren.\nThe user: unknown.", None),
        ("A wren.\nHuman beings like it.", None),
    ],
)
def test_a_new_turn_is_found(response: str, detail: str | None) -> None:
    pair = PairRow("id", "Name a bird.", "", response, "stop", 9, 4)
    assert NEW_TURN.check(pair) == detail
