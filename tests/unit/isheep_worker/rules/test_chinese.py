"""Chinese characters in the response."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.chinese import CHINESE


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        ("The word is 鸟 here.", "鸟"),
        ("鸟类 are birds.", "鸟类"),
        ("とり", None),
        ("A wren.", None),
    ],
)
def test_chinese_characters_are_found(response: str, detail: str | None) -> None:
    pair = PairRow("id", "Name a bird.", "", response, "stop", 9, 4)
    assert CHINESE.check(pair) == detail
