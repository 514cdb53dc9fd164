"""`make audit`: a lock is audited only if no package was skipped."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SAFE = {"name": "kopf", "version": "1.45.2", "vulns": []}
BAD = {
    "name": "aiohttp",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}, {"id": "X-2", "fix_versions": []}],
}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hack_audit", ROOT / "hack" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("packages", "problems"),
    [
        ([SAFE], []),
        (
            [SAFE, BAD],
            [
                "aiohttp 1.0 has PYSEC-1, fixed in 1.1, 2.0",
                "aiohttp 1.0 has X-2, fixed in no version",
            ],
        ),
        ([], []),
    ],
)
def test_each_vulnerability_is_named(
    packages: list[dict[str, Any]], problems: list[str], audit: ModuleType
) -> None:
    assert audit.problems_of({"dependencies": packages, "fixes": []}) == problems


def test_a_package_that_was_not_audited_is_a_problem(audit: ModuleType) -> None:
    """With a mirror that knows no package, pip-audit itself reports success."""
    (problem,) = audit.problems_of({"dependencies": [SAFE, SKIPPED], "fixes": []})
    assert problem.startswith("1 of 2 packages were not audited")
    assert "torch" in problem
