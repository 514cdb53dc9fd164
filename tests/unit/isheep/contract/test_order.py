"""The largest result of prepare fits into a termination message."""

from __future__ import annotations

import pytest

from isheep.api.evaluation import MAX_BENCHMARKS
from isheep.contract.order import (
    RESULT_MAX_BYTES,
    Frontier,
    Outcome,
    StageResult,
    StepResult,
    dump_result,
    parse_result,
)
from isheep.contract.prepared import ChatFormatRef, Prepared, PreparedBenchmark, ScoreLabelsRef

DIGEST = "0123456789abcdef" * 4
LABELS = ScoreLabelsRef(kind="LettersAfterNewline", token_ids=tuple(range(120_000, 120_010)))


@pytest.mark.parametrize("memorization", [False, True])
def test_the_most_benchmarks_in_two_formats_fit_into_the_result_of_prepare(
    memorization: bool,
) -> None:
    items = PreparedBenchmark(digest=DIGEST, requests={"Raw": 40_000}, length=32_768)
    benchmark = PreparedBenchmark(
        digest=DIGEST, requests={"Raw": 40_168, "Chat": 40_168}, length=32_768
    )
    prepared = Prepared(
        model_digest=DIGEST,
        model_revision=DIGEST[:40],
        architecture="Qwen3MoeForCausalLM",
        seed_tasks_digest=DIGEST,
        seed_tasks_count=1000,
        templates_digest=DIGEST,
        score_templates_digest=DIGEST,
        engine="VLLM",
        dtype="bfloat16",
        max_model_length=32_768,
        chat_format=ChatFormatRef(
            kind="Own",
            digest=DIGEST,
            end_of_turn_ids=(151_645,),
            stop_token_ids=(151_643, 151_645),
        ),
        thinking_chat_format=DIGEST,
        score_labels={"Raw": LABELS, "Chat": LABELS},
        evaluation={f"a-benchmark-{n}": benchmark for n in range(MAX_BENCHMARKS - memorization)},
        memorization=items if memorization else None,
        evaluation_texts=DIGEST,
        harness="0.4.13",
    )
    result = StageResult(
        outcome=Outcome.COMMITTED,
        steps=(StepResult(id="prepare", key=DIGEST),),
        prepared=prepared,
        frontier=Frontier(count=0),
    )
    text = dump_result(result)
    assert len(text.encode()) <= RESULT_MAX_BYTES
    assert parse_result(text) == result
