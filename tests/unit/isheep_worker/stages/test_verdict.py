"""What the verdict reads of the pairs and prompts behind D(t): log-probabilities and exemplars."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from isheep.contract.order import ContractError
from isheep_worker.rows.schema import (
    COMPLETIONS,
    PAIRS,
    SELECTIONS,
    CompletionRow,
    PairRow,
    SelectionRow,
)
from isheep_worker.stages.verdict import _detailed_rows, _exemplars


def context(**lines: list[bytes]) -> Any:
    """Return a context whose artifacts have these lines by key."""
    return SimpleNamespace(
        settings=SimpleNamespace(generated_in=(1, 1, 2)),
        step=SimpleNamespace(id="i2/verdict", inputs={"completions": ("r1", "r2", "later")}),
        artifacts=SimpleNamespace(read_lines=lambda key: iter(lines[key])),
    )


def completion(number: int, round_number: int, *exemplars: str) -> bytes:
    return COMPLETIONS.encode(CompletionRow(round_number, number, "", "stop", 1, 1, exemplars))


def pair(id_: str, logprob: float | None) -> bytes:
    return PAIRS.encode(PairRow(id_, "Add.", "", "3", "stop", 4, 2, logprob=logprob))


def selected(id_: str) -> bytes:
    return SELECTIONS.encode(SelectionRow(id_, "Add.", "", "3", "stop", True, None, {}))


IDS = ("i1-r1-c00000-p1", "i1-r2-c00000-p4", "i2-r1-c00000-p1-k2", "i2-r9-c00007-p1")
FOUND = context(
    r1=[completion(0, 1, "a", "b")],
    r2=[completion(0, 2, "c")],
    later=[completion(0, 1, "d")],
    data=[selected(id_) for id_ in IDS],
    pairs=[pair(id_, None if n == 3 else -0.5 * n) for n, id_ in enumerate(IDS)],
    others=[pair(id_, None) for id_ in reversed(IDS)],
)


def test_each_row_has_the_exemplars_of_its_own_prompt_and_its_log_probability() -> None:
    rows = _detailed_rows(FOUND, "data", "pairs", lambda: _exemplars(FOUND))
    assert [(row.exemplars, row.tokens, row.logprob) for row in rows] == [
        (("a", "b"), 2, 0.0),
        (("c",), 2, -0.5),
        (("d",), 2, -1.0),
        ((), 2, None),
    ]


def test_rows_that_are_not_those_of_the_pairs_are_refused() -> None:
    with pytest.raises(ContractError, match="is from pair"):
        list(_detailed_rows(FOUND, "data", "others", dict))
