"""What prepare has found, in the readable and in the short form of its result."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Outcome, StageResult
from isheep.contract.packed_prepared import pack
from isheep.planner.prepared_results import prepared_of

from .prepared_inputs import prepared_for, with_evaluation
from .simulation import spec_with

DECONTAMINATION = ("mmlu", "gsm8k", "arc")
EVALUATION: dict[str, Any] = {
    "benchmarks": [{"name": "zeta", "task": "ifeval"}, {"name": "alpha", "task": "arc_easy"}],
    "judgements": [{"name": "mt", "storageUri": "s3://bucket/questions.jsonl"}],
}
JUDGE = {"model": {"storageUri": "hf://org/judge"}}


def spec_of(*names: str) -> SelfAlignmentRunSpec:
    benchmarks = [{"name": name, "storageUri": f"s3://bucket/{name}.jsonl"} for name in names]
    return SelfAlignmentRunSpec.read(
        spec_with(
            curation={"decontamination": {"benchmarks": benchmarks}},
            evaluation=EVALUATION,
            judge=JUDGE,
        )
    )


SPEC = spec_of(*DECONTAMINATION)
PREPARED = with_evaluation(prepared_for(), SPEC).model_copy(
    update={"benchmarks": {name: f"{n}" * 64 for n, name in enumerate(DECONTAMINATION)}}
)


def result(**fields: Any) -> StageResult:
    return StageResult(outcome=Outcome.COMMITTED, **fields)


def test_both_forms_mean_the_same() -> None:
    assert prepared_of(result(prepared=PREPARED), SPEC) == PREPARED
    assert prepared_of(result(packed=pack(PREPARED)), SPEC) == PREPARED


@pytest.mark.parametrize("fields", [{}, {"packed": "?"}, {"packed": "1:00000"}])
def test_a_result_without_a_readable_form_contains_nothing(fields: dict[str, Any]) -> None:
    assert prepared_of(result(**fields), SPEC) is None


def test_a_result_for_other_benchmarks_contains_nothing() -> None:
    assert prepared_of(result(packed=pack(PREPARED)), spec_of("mmlu")) is None
