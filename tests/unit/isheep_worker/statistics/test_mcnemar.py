"""The exact test agrees with statsmodels and with a published value."""

import pytest
from statsmodels.stats import contingency_tables

from isheep_worker.statistics.mcnemar import mcnemar


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (3, 3), (10, 2), (0, 8), (41, 60)])
def test_p_values_are_those_of_statsmodels(gained: int, lost: int) -> None:
    table = [[7, gained], [lost, 9]]
    expected = contingency_tables.mcnemar(table, exact=True).pvalue
    assert mcnemar(gained, lost) == pytest.approx(expected)


def test_p_value_of_the_literature() -> None:
    # Bentur et al. (2009) in Fagerland, Lydersen and Laake (2013): the exact conditional test.
    assert mcnemar(1, 7) == pytest.approx(0.0703, abs=5e-5)


def test_without_a_disagreement_p_is_1() -> None:
    assert mcnemar(0, 0) == 1.0
