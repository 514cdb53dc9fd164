"""Holm's correction of a table that can be computed by hand."""

import pytest

from isheep_worker.statistics.holm import holm


@pytest.mark.parametrize(
    ("values", "corrected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02], [0.02]),
    ],
)
def test_p_values_are_corrected(values: list[float], corrected: list[float]) -> None:
    names = [f"metric-{place}" for place in range(len(values))]
    found = holm(dict(zip(names, values, strict=True)))
    assert list(found) == names
    assert list(found.values()) == pytest.approx(corrected)


def test_no_test_needs_no_correction() -> None:
    assert holm({}) == {}
