"""The figures of a run in its status, for the metrics."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.kube.run_figures import RunFigures, run_figures


def verdict(t: int, *, committed: bool = True, **counts: float) -> dict[str, Any]:
    return {"id": f"i{t}/verdict", "committed": committed, "counts": counts}


@pytest.mark.parametrize(
    ("stages", "figures"),
    [
        ([], None),
        ([{"id": "i1/train", "committed": True}], None),
        ([verdict(1, committed=False)], None),
        ([verdict(1, items=30, difference=-0.5, alarms=0)], RunFigures(-0.5, 0)),
        ([verdict(1, difference=-0.5), verdict(2, items=0, alarms=2)], RunFigures(None, 2)),
    ],
)
def test_the_figures_are_those_of_the_newest_verdict(
    stages: list[dict[str, Any]], figures: RunFigures | None
) -> None:
    assert run_figures({"stages": stages}) == figures
    assert run_figures({}) is None
