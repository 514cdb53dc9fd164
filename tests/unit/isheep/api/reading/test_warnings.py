"""Settings without effect: one row for each warning, and the runs that give none."""

from pathlib import Path

import pytest
import yaml

from isheep.api.reading.loader import load_run

ROOT = Path(__file__).parents[5]


def warnings(**spec):
    document = {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": "lamb"},
        "spec": {
            "recipe": "ISheep",
            "iterations": 3,
            "model": {"storageUri": "hf://org/tiny"},
            **spec,
        },
    }
    return [str(warning) for warning in load_run(yaml.safe_dump(document)).warnings()]


def gpus(count):
    return {"training": {"resources": {"limits": {"nvidia.com/gpu": count}}}}


@pytest.mark.parametrize(
    ("spec", "field", "text"),
    [
        (
            {"engine": {"type": "Transformers", "vllm": {"enforceEager": True}}},
            "spec.engine.vllm.enforceEager",
            "only vLLM reads this setting",
        ),
        (
            {"training": {"validationShare": 0, "checkpoint": "LowestValidationLoss"}},
            "spec.training.checkpoint",
            "the adapter of the last step",
        ),
        (
            {"training": {"validationShare": 0, "evaluationSteps": 5}},
            "spec.training.evaluationSteps",
            "no validation loss is measured",
        ),
        ({"language": "xx"}, "spec.language", "ISO 639 has no language xx"),
        (
            {"evaluation": {"memorization": {}}},
            "spec.evaluation.memorization",
            "M(0) completes items of benchmarks, and the run has none",
        ),
        ({"language": "eng"}, "spec.language", "write en"),
        (
            {"training": {"effectiveBatchSize": 12, "numNodes": 2}, "compute": gpus(4)},
            "spec.training.effectiveBatchSize",
            "the 8 GPUs of the training",
        ),
        (
            {"training": {"effectiveBatchSize": 17}},
            "spec.training.effectiveBatchSize",
            "17 pairs cannot be divided equally",
        ),
        (
            {"iterations": 1, "training": {"startFrom": "Previous"}},
            "spec.training.startFrom",
            "in iteration 2 and later only",
        ),
        (
            {"iterations": 1, "training": {"data": "All"}},
            "spec.training.data",
            "in iteration 2 and later only",
        ),
        (
            {"judge": {"model": {"storageUri": "hf://other/judge"}}},
            "spec.judge",
            "nothing asks the judge",
        ),
        (
            {
                "judge": {"model": {"storageUri": "hf://Org/judge"}},
                "assessment": {"assessor": "Judge"},
            },
            "spec.judge.model",
            "org also made M(0)",
        ),
        (
            {
                "judge": {"endpoint": {"url": "https://j.example.com", "model": "org/large"}},
                "assessment": {"assessor": "Judge"},
            },
            "spec.judge.endpoint",
            "org also made M(0)",
        ),
    ],
)
def test_a_setting_without_effect_is_reported_at_its_place(spec, field, text):
    (found,) = warnings(**spec)
    assert found.startswith("<text>:")
    assert f": {field}: warning: " in found
    assert text in found


@pytest.mark.parametrize(
    "spec",
    [
        {},
        # prepare reads maxModelLength for every engine.
        {"engine": {"type": "Transformers", "vllm": {"maxModelLength": 512}}},
        {"engine": {"vllm": {"enforceEager": True}}},
        {"training": {"validationShare": 0}},
        {"training": {"validationShare": 0, "checkpoint": "Last"}},
        {"language": "zh"},
        {"language": "yue"},
        {"training": {"effectiveBatchSize": 17}, "compute": gpus(1)},
        {"training": {"effectiveBatchSize": 1}},
        {"training": {"startFrom": "Previous"}},
        {
            "evaluation": {
                "memorization": {},
                "benchmarks": [{"name": "quiz", "task": "arc_easy"}],
            }
        },
    ],
)
def test_settings_with_an_effect_are_not_reported(spec):
    assert warnings(**spec) == []


def test_no_example_has_a_setting_without_effect():
    files = sorted(ROOT.glob("examples/**/*.yaml"))
    assert files
    runs = [file for file in files if "kind: SelfAlignmentRun" in file.read_text()]
    assert [str(warning) for file in runs for warning in load_run(file).warnings()] == []
