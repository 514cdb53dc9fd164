"""Sizes as text."""

import pytest

from isheep.cli.figures.size_text import size


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "0.977 KiB"), (5 * 1024**3, "5 GiB"), (10**15, "909 TiB")],
)
def test_sizes_have_three_digits(count, shown):
    assert size(count) == shown
