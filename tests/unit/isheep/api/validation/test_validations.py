"""Each validation rule, with a run that breaks it and no other rule."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from isheep.api.reading.schema_paths import field_path
from isheep.api.recipe_registry import RECIPE_DEFINITIONS
from isheep.api.run import SelfAlignmentRun
from isheep.api.validation.validations import all_rules, violations
from isheep.contract.choices import ClusteringMethod, SelectionMethod

RULES = [rule for rules in all_rules().values() for rule in rules]
CLUSTERING = get_args(ClusteringMethod)
MODEL = {"storageUri": "hf://org/judge"}
ENDPOINT = {"endpoint": {"url": "https://api.example.com/v1", "model": "judge-1"}}
ARC = {"name": "arc", "task": "arc_easy"}
TEST_ARC = {"benchmarks": [ARC]}
VALIDATION_ARC = {"benchmarks": [{**ARC, "role": "Validation"}]}
LONG_KEY = {"k" * 101: "1"}
NEAR_PODS = {"labelSelector": {"matchLabels": {"a key": "1"}}, "topologyKey": "zone"}


def graded(**changes: Any) -> dict[str, Any]:
    """Return the fields of a run with one judgement of the kind Grades."""
    judgement = {"name": "a", "kind": "Grades", "storageUri": "file:///q.jsonl", **changes}
    return {"evaluation": {"judgements": [judgement]}, "judge": ENDPOINT}


BREAKING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("metadata.name", {"metadata": {"name": "Run"}}),
    *(
        (f"compute.training.{field}", {"compute": {"training": {field: LONG_KEY}}})
        for field in ("nodeSelector", "podLabels", "podAnnotations")
    ),
    *(
        (
            f"compute.training.resources.{field}",
            {"compute": {"training": {"resources": {field: LONG_KEY}}}},
        )
        for field in ("requests", "limits")
    ),
    (
        "compute.training.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]"
        ".labelSelector.matchLabels",
        {
            "compute": {
                "training": {
                    "affinity": {
                        "podAffinity": {
                            "requiredDuringSchedulingIgnoredDuringExecution": [NEAR_PODS]
                        }
                    }
                }
            }
        },
    ),
    ("selection.minSamples", {"instructions": {"count": 10}}),
    (
        "compute.inference.parallelism",
        {"compute": {"jobs": "Run", "inference": {"parallelism": 2}}},
    ),
    (
        "evaluation.benchmarks[0].role",
        {
            "evaluation": {
                "benchmarks": [
                    {
                        "name": "quiz",
                        "task": "arc_easy",
                        "role": "Validation",
                        "share": {"validation": 0.5},
                    }
                ]
            }
        },
    ),
    ("training.numNodes", {"compute": {"jobs": "Run"}, "training": {"numNodes": 2}}),
    (
        "selection.random.size",
        {
            "instructions": {"count": 100},
            "selection": {"method": "Random", "random": {"size": 101}},
        },
    ),
    ("safeguards.action", {"safeguards": {"action": "Stop"}, "yardstick": {"items": 0}}),
    ("best.metric", {"best": {"metric": "arc"}}),
    ("best.metric", {"best": {"metric": "arcs/acc"}, "evaluation": VALIDATION_ARC}),
    ("best.metric", {"best": {"metric": "arc/acc"}, "evaluation": TEST_ARC}),
    ("stopping.metric", {"stopping": {"metric": "ar"}, "evaluation": VALIDATION_ARC}),
    ("stopping.metric", {"stopping": {"metric": "arc"}, "evaluation": TEST_ARC}),
    (
        "evaluation.judgements",
        {"evaluation": {"judgements": [{"name": "a", "storageUri": "file:///q.jsonl"}]}},
    ),
    (
        "evaluation.judgements",
        {
            "evaluation": {
                **TEST_ARC,
                "judgements": [{"name": "arc", "storageUri": "file:///q.jsonl"}],
            },
            "judge": {"model": MODEL},
        },
    ),
    (
        "evaluation.judgements[0].against",
        {
            "evaluation": {
                "judgements": [
                    {
                        "name": "a",
                        "kind": "Grades",
                        "storageUri": "file:///q.jsonl",
                        "against": "Outputs",
                    }
                ]
            },
            "judge": ENDPOINT,
        },
    ),
    ("evaluation.judgements[0].temperatures", graded(kind="WinRate", temperatures={"math": 0.0})),
    ("evaluation.judgements[0].temperatures", graded(temperatures={"": 0.0})),
    ("evaluation.judgements[0].temperatures", graded(temperatures={"m" * 65: 0.0})),
    (
        "evaluation.memorization",
        {
            "evaluation": {
                "memorization": {},
                "benchmarks": [{"name": name, "task": "arc_easy"} for name in "abcde"],
            }
        },
    ),
    ("judge", {"judge": {}}),
    ("judge", {"judge": {"model": MODEL, **ENDPOINT}}),
    ("assessment.assessor", {"assessment": {"assessor": "Judge"}}),
    (
        "assessment.scoring",
        {"judge": ENDPOINT, "assessment": {"assessor": "Judge", "scoring": "Expected"}},
    ),
    ("assessment.compare", {"judge": ENDPOINT, "assessment": {"assessor": "Judge", "compare": 5}}),
    (
        "assessment.decoding",
        {"judge": ENDPOINT, "assessment": {"assessor": "Judge", "decoding": "Constrained"}},
    ),
    (
        "assessment.promptFormat",
        {"judge": ENDPOINT, "assessment": {"assessor": "Judge", "promptFormat": "Raw"}},
    ),
    ("judge.model.secretRef", {"judge": {"model": {**MODEL, "secretRef": {"name": "hub"}}}}),
    ("selfInstruct", {"selfInstruct": {}}),
    ("alpaca", {"recipe": "SelfInstruct", "alpaca": {}}),
    (
        "instructions.examplesPerPrompt",
        {"recipe": "SelfInstruct", "instructions": {"examplesPerPrompt": 8}},
    ),
    (
        "instructions.sampling",
        {"recipe": "Alpaca", "instructions": {"sampling": {"temperature": 0.9}}},
    ),
    ("selection.threshold", {"recipe": "Dromedary", "selection": {"threshold": 4}}),
    ("selection.threshold", {"selection": {"method": "None", "threshold": 4}}),
    (
        "selection.threshold",
        {
            "selection": {
                "method": "Random",
                "random": {"sizeOf": "Perplexity"},
                "threshold": 4,
            }
        },
    ),
    (
        "selfInstruct.machineExamples",
        {"recipe": "SelfInstruct", "selfInstruct": {"examplesPerPrompt": 1}},
    ),
    ("dromedary", {"dromedary": {}}),
    ("iterations", {"recipe": "Dromedary", "iterations": 3}),
    ("selection.minSamples", {"recipe": "Dromedary", "dromedary": {"verbose": 63}}),
    ("storage", {"storage": {}}),
    ("model.revision", {"model": {"storageUri": "s3://bucket/x", "revision": "main"}}),
    ("seedTasks", {"seedTasks": {"builtin": "Default", "storageUri": "s3://bucket/x"}}),
    ("assessment.decoding", {"assessment": {"scoring": "Expected", "decoding": "Constrained"}}),
    ("assessment.anchors", {"assessment": {"assessor": "Base", "anchors": 50}}),
    (
        "assessment.anchors",
        {"judge": {"model": MODEL}, "assessment": {"assessor": "Judge", "anchors": 50}},
    ),
    ("safeguards.rules", {"safeguards": {"rules": ["LenientAssessor"]}}),
    ("assessment.exampleOrder", {"assessment": {"exampleOrder": "Shuffled"}}),
    ("selection.random", {"selection": {"method": "Random"}}),
    ("selection.random", {"selection": {"random": {"size": 64}}}),
    ("selection.minSamples", {"selection": {"method": "Random", "random": {"size": 63}}}),
    ("selection.random", {"selection": {"method": "Random", "random": {}}}),
    (
        "selection.random",
        {"selection": {"method": "Random", "random": {"size": 64, "sizeOf": "Density"}}},
    ),
    ("selection.perplexity", {"selection": {"perplexity": {}}}),
    (
        "selection.perplexity",
        {
            "selection": {
                "method": "Random",
                "random": {"sizeOf": "SelfAssessment"},
                "perplexity": {"max": 9},
            }
        },
    ),
    (
        "selection.density",
        {"selection": {"method": "Random", "random": {"size": 64}, "density": {}}},
    ),
    ("selection.minSamples", {"selection": {"method": "Density", "density": {"clusters": 63}}}),
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


def test_a_good_run_meets_all_rules() -> None:
    assert violations(run()) == []


@pytest.mark.parametrize(
    "selection",
    [
        {"method": "Perplexity", "perplexity": {"max": 9}},
        {"method": "Random", "random": {"sizeOf": "Perplexity"}, "perplexity": {"max": 9}},
        {"method": "DensityPerplexity", "density": {"clusters": 64}},
        {"method": "Random", "random": {"sizeOf": "Density"}, "density": {"clusters": 64}},
        {"method": "Random", "random": {"sizeOf": "SelfAssessment"}, "threshold": 4},
    ],
)
def test_a_field_is_allowed_with_a_method_that_reads_it(selection: dict[str, Any]) -> None:
    assert violations(run(selection=selection)) == []


def test_categories_of_grades_can_have_temperatures() -> None:
    temperatures = {"writing": 0.7, "math": 0, "a longer name": 2.0}
    assert violations(run(**graded(temperatures=temperatures))) == []


@pytest.mark.parametrize("metric", ["arc", "arc/acc_norm"])
@pytest.mark.parametrize("changes", [{"role": "Validation"}, {"share": {"validation": 0.3}}])
def test_a_decision_can_read_validation_items(metric: str, changes: dict[str, Any]) -> None:
    evaluation = {"benchmarks": [{**ARC, **changes}]}
    stopping = {"metric": metric, "patience": 1}
    found = run(evaluation=evaluation, best={"metric": metric}, stopping=stopping)
    assert violations(found) == []


@pytest.mark.parametrize("method", [m for m in get_args(SelectionMethod) if m != "Random"])
def test_only_methods_that_cluster_read_density(method: str) -> None:
    settings = {"density": {"clusters": 64}}
    found = violations(run(selection={"method": method, **settings}))
    expected = () if method in CLUSTERING else (" and ".join(CLUSTERING),)
    assert [text for text in expected for v in found if text in v.message] == list(expected)
    assert len(found) == len(expected)


@pytest.mark.parametrize(("path", "parts"), BREAKING)
def test_a_broken_rule_names_the_field_to_correct(path: str, parts: dict[str, Any]) -> None:
    (violation,) = violations(run(**parts))
    assert field_path(violation.path).removeprefix("spec.") == path


def test_each_rule_has_a_run_that_breaks_it() -> None:
    broken = {v.message for _, parts in BREAKING for v in violations(run(**parts))}
    assert {rule.message for rule in RULES if not rule.is_transition} == broken


@pytest.mark.parametrize(
    "sampling", [{"topP": 0.9}, {"maxTokens": 999}, {"presencePenalty": 0}, {"temperature": 0}]
)
def test_a_sampling_that_the_recipe_does_not_read_is_refused(sampling: dict[str, Any]) -> None:
    parts = {"recipe": "SelfInstruct", "instructions": {"sampling": sampling}}
    assert [v.path for v in violations(run(**parts))] == [("spec", "instructions", "sampling")]
    assert violations(run(**parts | {"recipe": "ISheep"})) == []
    assert violations(run(recipe="Alpaca", alpaca={"sampling": sampling})) == []


@pytest.mark.parametrize("recipe", RECIPE_DEFINITIONS)
def test_a_threshold_is_allowed_if_the_selection_needs_scores(recipe: str) -> None:
    for selection in ({"method": "SelfAssessment", "threshold": 4}, {"threshold": 8}):
        assert violations(run(recipe=recipe, iterations=2, selection=selection)) == []
    assert violations(run(selection={"threshold": 4})) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("perplexity", {"max": 9}), ("density", {"clusters": 64}), ("random", {"size": 64})],
)
def test_the_settings_of_a_method_are_refused_with_auto(field: str, value: dict[str, Any]) -> None:
    paths = {v.path for v in violations(run(selection={"method": "Auto", field: value}))}
    assert paths == {("spec", "selection", field)}


def test_transition_rules_compare_with_the_old_object() -> None:
    storage = {"folder": {"path": "/data"}}
    new, old = run(storage=storage), run()
    assert violations(new) == []
    assert [v.path for v in violations(new, old)] == [("spec", "storage")]
    assert [v.path for v in violations(old, new)] == [("spec", "storage")]
    assert violations(new, new) == []


def test_the_manager_of_a_run_cannot_be_changed() -> None:
    """Otherwise the Jobs of the first manager would go on beside those of the second one."""
    ours, other = run(managedBy="isheep.dev/operator"), run(managedBy="example.com/manager")
    for new, old in ((ours, run()), (run(), ours), (other, ours)):
        assert [v.path for v in violations(new, old)] == [("spec", "managedBy")]
    assert violations(other, other) == []


def test_rules_use_only_functions_of_every_cel_implementation() -> None:
    allowed = {"has", "size", "matches", "all", "exists", "startsWith"}
    for rule in RULES:
        without_text = re.sub(r"'[^']*'", "''", rule.expression)
        assert set(re.findall(r"(\w+)\(", without_text)) <= allowed
