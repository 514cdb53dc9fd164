"""A difference is never without its interval, or the reason why it has none."""

from __future__ import annotations

import pytest

from isheep.cli.figures.interval_text import with_interval


@pytest.mark.parametrize(
    ("lower", "upper", "over", "expected"),
    [
        (-0.2, -0.1, "", "down (95 % interval -0.200 to -0.100)"),
        (-0.2, 0.1, "", "down (95 % interval -0.200 to +0.100; no significant difference)"),
        (0.1, 0.2, " over seeds", "down (95 % interval over seeds +0.100 to +0.200)"),
        (None, None, "", "down; too few items (12) for an interval"),
    ],
)
def test_the_interval_follows_the_difference(
    lower: float | None, upper: float | None, over: str, expected: str
) -> None:
    assert with_interval("down", 12, lower, upper, over=over) == expected
