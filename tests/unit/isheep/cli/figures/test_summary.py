"""The table at the end of a run says on how many pairs each loss rests."""

from __future__ import annotations

import io

from rich.console import Console

from isheep.cli.figures.summary import Row, table


def _shown(*rows: Row) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table(rows))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_losses_have_the_number_of_their_pairs() -> None:
    first = Row(1, 16, 20, 12, 10, 9.25, 1.5, 9, 0.225, 1, 60.0)
    second = Row(2, 16, 20, 12, 10, 9.5, 1.25, 8, 1.103, 2, 60.0)
    shown = _shown(first, second)
    for figure in ("1.500 (9)", "0.225 (1)", "1.250 (8)", "1.103 (2)"):
        assert figure in shown
    assert "so they cannot be compared" in shown


def test_a_loss_that_was_not_measured_has_no_number() -> None:
    assert "(" not in _shown(Row(1, 16, 20, 12, 10, 9.25, None, 9, None, 0, 60.0)).replace(
        "(n)", ""
    )
