"""Reports of pods that run another program than the worker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isheep.contract.order import StepResult
from isheep.kube.pods.pod_results import finite_steps, read_result, shown


def text(**fields: Any) -> str:
    return json.dumps({"schemaVersion": 1, "outcome": "Failed", **fields})


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("BadModel", True),
        ("NewerReason", True),
        ("bad", False),
        ("Evil\x1b[31m", False),
        ("Two words", False),
        ("R" * 65, False),
        ("", False),
    ],
)
def test_a_reason_is_one_short_word(reason: str, *, kept: bool) -> None:
    found = read_result(text(reason=reason))
    assert found is not None
    assert found.reason == (reason if kept else None)


def test_a_message_has_no_character_that_a_terminal_obeys() -> None:
    found = read_result(text(message="a\x1b[31mb\u202ec\ud800d \u4e2d\u200d"))
    assert found is not None
    assert found.message == "a?[31mb?c?d \u4e2d\u200d"
    assert shown("two\nlines\tand a tab") == "two\nlines\tand a tab"


def test_numbers_that_are_not_finite_are_not_measured() -> None:
    """JSON has no such numbers, so an API server would refuse the whole status."""
    step = {"id": "i1/train", "key": "k", "statistics": {"loss": float("nan"), "steps": 3}}
    frontier = {"count": 1, "statistics": {"i1/train": [float("inf"), 2.0, None]}}
    found = read_result(text(outcome="Committed", steps=[step], frontier=frontier))
    assert found is not None
    assert found.steps[0].statistics == {"steps": 3}
    assert found.frontier is not None
    assert found.frontier.statistics == {"i1/train": (None, 2.0, None)}
    plain = StepResult(id="i1/train", key="k", statistics={"steps": 3})
    assert finite_steps([plain])[0] is plain


@pytest.mark.parametrize("code", [-1, 256, 10**30])
def test_a_result_with_a_code_that_no_process_has_is_no_result(code: int) -> None:
    assert read_result(text(exitCode=code)) is None


@pytest.mark.parametrize("message", ["", "Traceback: boom", "[]", "[" * 100_000, '{"outcome": 1}'])
def test_other_messages_are_no_results(message: str) -> None:
    assert read_result(message) is None
