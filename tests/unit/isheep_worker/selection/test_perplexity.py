"""Perplexity keeps pairs with both perplexities below the maximum, and gives reasons."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.schema import MeasureRow, PairRow
from isheep_worker.selection.perplexity import decide

PAIR = PairRow("i1-r1-c00000-p1", "Name a bird.", "", "A wren.", "stop", 9, 4)
LOSSES = st.floats(0, 20)


def measured(response: float, pair: float) -> MeasureRow:
    return MeasureRow(PAIR.id, response_loss=response, pair_loss=pair)


@pytest.mark.parametrize(
    ("measure", "limit", "reason"),
    [
        (measured(math.log(49), math.log(49)), 50, None),
        (measured(math.log(50), math.log(49)), 50, "perplexity-response"),
        (measured(math.log(49), math.log(50)), 50, "perplexity-pair"),
        (measured(math.log(51), math.log(51)), 50, "perplexity-response"),
        (measured(0, 0), 1, "perplexity-response"),
        (measured(5000, 1), 50, "perplexity-response"),
        (MeasureRow(PAIR.id, rule="new-turn"), 1e6, "new-turn"),
        (MeasureRow(PAIR.id, reason="unscorable-not-finite"), 1e6, "unscorable-not-finite"),
    ],
)
def test_each_dropped_pair_has_a_reason(
    measure: MeasureRow, limit: float, reason: str | None
) -> None:
    row = decide(PAIR, measure, limit)
    assert (row.kept, row.reason) == (reason is None, reason)
    assert (row.id, row.instruction, row.response) == (PAIR.id, PAIR.instruction, PAIR.response)


def test_the_row_contains_the_perplexities() -> None:
    row = decide(PAIR, measured(math.log(7), math.log(9)), 50)
    assert row.scores == pytest.approx({"ResponsePerplexity": 7, "PairPerplexity": 9})
    assert decide(PAIR, MeasureRow(PAIR.id, rule="x"), 50).scores == {}


def test_measures_of_another_pair_are_refused() -> None:
    with pytest.raises(ValueError, match=f"the measures of other are at the place of {PAIR.id}"):
        decide(PAIR, MeasureRow("other"), 50)


@given(LOSSES, LOSSES, st.floats(1, 1e6), st.floats(0, 1e6))
def test_a_higher_maximum_keeps_all_pairs_of_a_lower_one(
    response: float, pair: float, limit: float, more: float
) -> None:
    measure = measured(response, pair)
    if decide(PAIR, measure, limit).kept:
        assert decide(PAIR, measure, limit + more).kept
