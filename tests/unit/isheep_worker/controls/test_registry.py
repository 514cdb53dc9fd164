"""The kinds of damage, on responses as models write them."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.contract.choices import ControlKind
from isheep_worker.controls.interface import Source
from isheep_worker.controls.registry import CONTROLS

OTHER = "A poem about rain."
TEXT = "The sum is 12. We add 5 and 7. So the result of the sum is 12."


@pytest.mark.parametrize(
    ("kind", "response", "expected"),
    [
        ("Swapped", TEXT, OTHER),
        ("Swapped", OTHER, None),
        ("Repeated", "a b c d e f g h", "a b c d a b c d"),
        ("Repeated", "too short", None),
        ("Truncated", "one two\nthree four five six seven eight", "one two\nthree four"),
        ("Truncated", "one two three", None),
        ("Truncated", "一年有四个季节。每季三个月。", "一年有四个季节"),
        ("Truncated", "一年有四季。", None),
        ("Repeated", "一年有四个季节", None),
        ("Repeated", "一年有四个季节了", "一年有四 一年有四"),
        ("MissingLastSentence", TEXT, "The sum is 12. We add 5 and 7."),
        ("MissingLastSentence", "One sentence only.", None),
        ("MissingLastSentence", "Pi is 3.14 and no more", None),
        ("MissingLastSentence", "- milk\n- eggs\n", "- milk"),
        ("MissingLastSentence", "空は青い。海も青い。", "空は青い。"),
        ("WrongNumber", TEXT, "The sum is 12. We add 5 and 7. So the result of the sum is 27."),
        ("WrongNumber", "1. Buy milk\n2. Buy eggs", None),
        ("WrongNumber", "Version v2 of 3.14 in 1,000 rows", None),
        ("WrongNumber", "It has 0 legs", "It has 3 legs"),
    ],
)
def test_a_response_is_damaged_in_the_way_of_its_kind(
    kind: ControlKind, response: str, expected: str | None
) -> None:
    assert CONTROLS[kind].damage(Source(response, OTHER)) == expected


def test_the_registry_has_every_kind_in_the_order_of_the_choices() -> None:
    assert tuple(CONTROLS) == get_args(ControlKind)


@given(st.text(max_size=200), st.text(max_size=20), st.sampled_from(get_args(ControlKind)))
def test_damage_changes_the_text_or_is_refused(text: str, other: str, kind: ControlKind) -> None:
    damaged = CONTROLS[kind].damage(Source(text, other))
    assert damaged is None or damaged == "" or damaged.strip() != "" or not text.strip()
    if damaged is not None and kind in ("Truncated", "MissingLastSentence"):
        assert len(damaged) < len(text)
        assert text.startswith(damaged)
