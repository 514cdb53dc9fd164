"""The largest results of workers fit into a termination message, and nothing in them is lost."""

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
from isheep.contract.packed_prepared import pack
from isheep.contract.prepared import ChatFormatRef, Prepared, PreparedBenchmark, ScoreLabelsRef

from .largest_results import largest_prepared

DIGEST = "0123456789abcdef" * 4
LABELS = ScoreLabelsRef(kind="LettersAfterNewline", token_ids=tuple(range(120_000, 120_010)))
LONGEST_FIGURE = -0.12345678901234567


def dumped(result: StageResult) -> StageResult:
    """Return a result after its way through a termination message."""
    text = dump_result(result)
    assert len(text.encode()) <= RESULT_MAX_BYTES
    parsed = parse_result(text)
    assert parsed is not None
    return parsed


def result_of_prepare(prepared: Prepared) -> StageResult:
    step = StepResult(id="prepare", key=DIGEST)
    frontier = Frontier(count=0)
    return StageResult(
        outcome=Outcome.COMMITTED, steps=(step,), prepared=prepared, frontier=frontier
    )


@pytest.mark.parametrize("memorization", [False, True])
def test_the_most_benchmarks_in_two_formats_fit_into_a_readable_result(memorization: bool) -> None:
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
    result = result_of_prepare(prepared)
    assert dumped(result) == result


@pytest.mark.parametrize("memorization", [False, True])
def test_the_result_of_prepare_of_the_largest_run_is_packed(memorization: bool) -> None:
    prepared = largest_prepared(memorization=memorization)
    found = dumped(result_of_prepare(prepared))
    assert found.prepared is None
    assert found.packed == pack(prepared)


def test_a_packed_result_keeps_its_frontier_if_it_fits() -> None:
    prepared = largest_prepared(decontamination=2, judgements=2)
    frontier = Frontier(count=9, statistics={"i1/curate/r1": (1000.0,), "i1/select": (999.0, 8.5)})
    result = result_of_prepare(prepared).model_copy(update={"frontier": frontier})
    found = dumped(result)
    assert (found.packed, found.frontier) == (pack(prepared), frontier)


def test_a_walk_with_the_largest_frontier_keeps_it_and_loses_its_last_step() -> None:
    """The frontier has at most 1,400 bytes, and the figures of a verdict have a thousand."""
    figures = {f"judgementDifference{n:02}": LONGEST_FIGURE for n in range(27)}
    frontier = Frontier(
        count=40,
        statistics={f"i{t}/select": (LONGEST_FIGURE,) * 2 for t in range(1, 24)},
        first="i1/generate/r1",
        keys_digest=DIGEST,
    )
    result = StageResult(
        outcome=Outcome.FAILED,
        exit_code=70,
        reason="Defect",
        message="ä" * 500,
        stage="i20/report",
        steps=tuple(StepResult(id=f"i{t}/verdict", key=DIGEST, statistics=figures) for t in (1, 2)),
        frontier=frontier,
    )
    found = dumped(result)
    assert (found.frontier, found.steps) == (frontier, ())
    assert (found.exit_code, found.reason, found.stage) == (70, "Defect", "i20/report")
