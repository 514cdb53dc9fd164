"""Instances of one instruction with the same input and different outputs."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.conflicting_outputs import CONFLICTING_OUTPUTS


def pairs(*instances: tuple[str, str]) -> list[PairRow]:
    return [
        PairRow(f"id-k{n}", "Sort it.", task_input, output, "stop", 9, 4)
        for n, (task_input, output) in enumerate(instances, start=1)
    ]


@pytest.mark.parametrize(
    "instances",
    [
        (),
        (("x", "A"),),
        (("x", "A"), ("y", "A")),
        (("x", "A"), ("x", "A")),  # a repetition is not a contradiction
        (("x", "A"), (" x ", "A ")),
        (("", "a poem"), ("", "another poem")),
        (("X", "A"), ("x", "B")),
        (("x", "caf\u00e9"), ("x", "cafe\u0301")),
        (("\u200b", "a poem"), ("\u200b", "another poem")),
    ],
)
def test_instances_without_a_contradiction_pass(instances: tuple[tuple[str, str], ...]) -> None:
    assert CONFLICTING_OUTPUTS.check(pairs(*instances)) is None


@pytest.mark.parametrize(
    "instances",
    [
        (("x", "A"), ("x", "B")),
        (("y", "A"), ("x", "A"), ("z", "A"), ("x\n", "B")),
        (("x", "A"), ("x", "")),
        (("x", "A"), ("x\u200b", "B")),
    ],
)
def test_an_input_with_different_outputs_is_the_detail(
    instances: tuple[tuple[str, str], ...],
) -> None:
    assert CONFLICTING_OUTPUTS.check(pairs(*instances)) == "x"
