"""The table of reasons is complete, and all code takes its reasons from it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from isheep.api.generation.conditions_page import conditions_markdown
from isheep.contract.exit_codes import ExitCode
from isheep.contract.explanation import ReasonGroup
from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.reasons import Reason

ROOT = Path(__file__).resolve().parents[4]
SOURCES = sorted(
    path
    for folder in ("operator/isheep", "images/worker/isheep_worker")
    for path in (ROOT / folder).rglob("*.py")
    if path.name not in ("reasons.py", "explanations.py")
)
OTHER_WORDS = {
    ("s3_errors.py", "QuotaExceeded"),
    ("conclusion.py", "Stopped"),
    ("driver.py", "Stopped"),
}
"""Literals that equal a reason and mean something else.

They are an error code of S3 stores and an end of the command `isheep run`.
"""
PHASES = {"Pending", "Running", "Suspended", "Succeeded"}
"""Names of phases that are reasons, too; they are literals in the schema of the status."""


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each string constant that is no docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_an_explanation(reason: Reason) -> None:
    known = EXPLANATIONS[reason]
    assert re.fullmatch("[A-Z][A-Za-z]+", reason)
    assert known.groups
    assert re.fullmatch(r"`?[A-Za-z].*\.", known.meaning), "the meaning is a sentence"
    assert not known.remedy.endswith("."), "the remedy is part of a sentence"
    assert known.remedy or "The message" in known.meaning or ReasonGroup.FAILED not in known.groups


def test_no_explanation_is_without_its_reason() -> None:
    assert set(EXPLANATIONS) == set(Reason)


def test_each_reason_is_on_the_page() -> None:
    page = conditions_markdown()
    assert [reason for reason in Reason if f"| [`{reason}`](" not in page] == []


def test_a_failed_reason_has_an_exit_code() -> None:
    failed = [r for r, e in EXPLANATIONS.items() if ReasonGroup.FAILED in e.groups]
    assert [r for r in failed if EXPLANATIONS[r].exit_code in (None, ExitCode.DONE)] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_names_reasons_by_the_enum(path: Path) -> None:
    """A literal such as "BadModel" would not follow a change of the table."""
    names = {str(reason) for reason in Reason} - PHASES
    found = [
        (line, text)
        for line, text in literals(path)
        if text in names and (path.name, text) not in OTHER_WORDS
    ]
    assert found == []
