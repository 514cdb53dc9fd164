"""Every rule of the table: an object that breaks it and only it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from isheep.api.loader import field_path
from isheep.api.rules import RULES, violations
from isheep.api.run import SelfAlignmentRun

BREAKING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("metadata.name", {"metadata": {"name": "Run"}}),
    ("selection.minSamples", {"instructions": {"count": 10}}),
    (
        "selection.random.size",
        {
            "instructions": {"count": 100},
            "selection": {"method": "Random", "random": {"size": 101}},
        },
    ),
    ("storage", {"storage": {}}),
    ("model.revision", {"model": {"storageUri": "s3://bucket/x", "revision": "main"}}),
    ("seedTasks", {"seedTasks": {"builtin": "Default", "storageUri": "s3://bucket/x"}}),
    ("assessment.decoding", {"assessment": {"scoring": "Expected", "decoding": "Constrained"}}),
    ("selection.random", {"selection": {"method": "Random"}}),
    ("selection.random", {"selection": {"random": {"size": 64}}}),
    ("selection.minSamples", {"selection": {"method": "Random", "random": {"size": 63}}}),
    ("training.handover", {"training": {"startFrom": "Previous", "handover": "Adapter"}}),
    ("instructions.sampling.topP", {"instructions": {"sampling": {"topP": 0}}}),
    ("training.learningRate", {"training": {"learningRate": 0.0}}),
    ("engine.vllm.gpuMemoryUtilization", {"engine": {"vllm": {"gpuMemoryUtilization": 0}}}),
    ("compute.training.env[0]", {"compute": {"training": {"env": [{"name": "A"}]}}}),
    (
        "compute.training.env[0].name",
        {"compute": {"training": {"env": [{"name": "ISHEEP_X", "value": ""}]}}},
    ),
    (
        "compute.inference.env[0].valueFrom",
        {"compute": {"inference": {"env": [{"name": "A", "valueFrom": {}}]}}},
    ),
    (
        "compute.inference.tolerations[0].operator",
        {"compute": {"inference": {"tolerations": [{}]}}},
    ),
    (
        "compute.inference.tolerations[0].value",
        {"compute": {"inference": {"tolerations": [{"operator": "Exists", "value": "a"}]}}},
    ),
    (
        "compute.inference.tolerations[0].tolerationSeconds",
        {"compute": {"inference": {"tolerations": [{"key": "a", "tolerationSeconds": 1}]}}},
    ),
)


def run(**parts: Any) -> SelfAlignmentRun:
    metadata = parts.pop("metadata", {"name": "run"})
    required = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://org/name"}}
    return SelfAlignmentRun.read(
        {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": metadata,
            "spec": required | parts,
        }
    )


def test_a_good_run_breaks_no_rule() -> None:
    assert violations(run()) == []


@pytest.mark.parametrize(("path", "parts"), BREAKING)
def test_a_rule_is_broken(path: str, parts: dict[str, Any]) -> None:
    (violation,) = violations(run(**parts))
    assert field_path(violation.path).removeprefix("spec.") == path


def test_every_rule_has_its_case() -> None:
    broken = {v.message for _, parts in BREAKING for v in violations(run(**parts))}
    assert {rule.message for rule in RULES if not rule.is_transition} == broken


def test_transition_rules_need_the_old_object() -> None:
    storage = {"folder": {"path": "/data"}}
    new, old = run(storage=storage), run()
    assert violations(new) == []
    assert [v.path for v in violations(new, old)] == [("spec", "storage")]
    assert [v.path for v in violations(old, new)] == [("spec", "storage")]
    assert violations(new, new) == []


def test_rules_keep_to_what_every_cel_has() -> None:
    allowed = {"has", "size", "matches", "all", "exists"}
    for rule in RULES:
        without_text = re.sub(r"'[^']*'", "''", rule.expression)
        assert set(re.findall(r"(\w+)\(", without_text)) <= allowed
