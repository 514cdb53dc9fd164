"""The share of responses that satisfy the stated constraints, by score."""

from __future__ import annotations

from isheep_worker.constraints.satisfaction import satisfied_shares
from isheep_worker.rows.schema import SelectionRow


def row(
    response: str, instruction: str = "Describe a bird without commas.", **scores: float
) -> SelectionRow:
    return SelectionRow("a", instruction, "", response, "stop", True, None, scores)


def test_shares_are_counted_by_level_and_score() -> None:
    rows = [
        *[row("It sings.", Quality=9.4, Following=9)] * 30,
        *[row("It sings, and flies.", Quality=9.4, Following=2)] * 10,
        row("It sings, too.", Quality=4.6, PairPerplexity=7),
        row("No constraint, so not counted.", "Describe a bird.", Quality=9),
        row("It sings.", "Describe a bird without commas in less than 2 words."),
    ]
    found = [(one.level, one.score, one.pairs, one.satisfied) for one in satisfied_shares(rows)]
    assert found == [
        ("", None, 42, 30),
        ("Quality", 5, 1, 0),
        ("Quality", 9, 40, 30),
        ("Following", 2, 10, 0),
        ("Following", 9, 30, 30),
    ]
    shares = satisfied_shares(rows)
    assert shares[2].share == 0.75
    assert shares[2].interval is not None
    assert shares[1].interval is None


def test_without_a_stated_constraint_there_are_no_figures() -> None:
    assert satisfied_shares([row("It sings.", "Describe a bird.", Quality=9)]) == ()
