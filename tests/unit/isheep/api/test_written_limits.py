"""Limits that hold for what a user writes, and not for runs that are stored."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from isheep.api.compute import Pool, Toleration
from isheep.api.run import SelfAlignmentRunSpec

OVER_THE_LIMITS: dict[str, Any] = {
    "env": [{"name": f"V{n}", "value": "x" * 4096} for n in range(64)],
    "podAnnotations": {f"a{n}": "y" * 4096 for n in range(32)},
    "tolerations": [{"key": "a key", "operator": "Exists"}],
}
"""Values that the schema of an earlier version allowed."""


@pytest.mark.parametrize(
    ("pool", "field", "kind"),
    [
        ({"env": [{"name": f"V{n}", "value": ""} for n in range(33)]}, ("env",), "too_long"),
        ({"env": [{"name": "A", "value": "x" * 401}]}, ("env", 0, "value"), "string_too_long"),
        ({"podLabels": {f"k{n}": "" for n in range(17)}}, ("podLabels",), "too_long"),
        ({"podAnnotations": {"a": "y" * 513}}, ("podAnnotations", "a"), "string_too_long"),
        (
            {"tolerations": [{"key": "a\n", "operator": "Exists"}]},
            ("tolerations", 0, "key"),
            "string_pattern_mismatch",
        ),
    ],
)
def test_a_written_value_over_a_limit_is_refused_with_its_field(
    pool: dict[str, Any], field: tuple[str | int, ...], kind: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Pool.read(pool)
    assert [(e["loc"], e["type"]) for e in caught.value.errors()] == [(field, kind)]


def test_values_at_the_limits_are_accepted() -> None:
    env = [{"name": f"V{n}", "value": "x" * 400} for n in range(24)]
    assert len(Pool.read({"env": env, "podAnnotations": {"a": "y" * 256}}).env) == 24
    assert Toleration.read({"key": "", "operator": "Exists"}).key == ""


def test_a_stored_run_may_exceed_the_limits() -> None:
    spec = {
        "recipe": "ISheep",
        "iterations": 1,
        "model": {"storageUri": "hf://org/name"},
        "compute": {"inference": OVER_THE_LIMITS},
    }
    read = SelfAlignmentRunSpec.read_stored(spec)
    assert read.document()["compute"]["inference"]["env"] == OVER_THE_LIMITS["env"]
    with pytest.raises(ValidationError):
        SelfAlignmentRunSpec.read(spec)
