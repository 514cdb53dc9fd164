"""A response that offers options or selects one."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.options import OPTIONS


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        ("Answer Choices: wren", "Answer Choices:"),
        ("The answer is B. It is blue.", "B."),
        ("A. wren\nB. owl", "A."),
        ("(c) owl", "(c)"),
        ("It ends with e.", "e."),
        ("Birds, e.g. wrens, i.e. small ones.", None),
        ("In the U.S.A. there are wrens.", None),
        ("Plan B works.", None),
        ("f. is no option (f)", None),
    ],
)
def test_options_are_found(response: str, detail: str | None) -> None:
    pair = PairRow("id", "Name a bird.", "", response, "stop", 9, 4)
    assert OPTIONS.check(pair) == detail
