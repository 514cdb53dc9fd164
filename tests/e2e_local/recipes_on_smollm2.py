"""`make e2e`: every recipe on SmolLM2 with vLLM, by `isheep run`, from its own example.

pytest collects this file only if it is named, because each recipe takes minutes on two cores. A
recipe's run is its file in examples/, in which the tests replace only the model, the store, the
engine's memory and the counts by values for a laptop. The texts of a model of this size are poor,
so the tests check only that every stage has rows for the next one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from isheep_worker.report.funnel import UNEXPLAINED

from .command import command

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = "hf://HuggingFaceTB/SmolLM2-135M-Instruct"
SECONDS = 1500
COUNT = 24
LAPTOP: dict[str, Any] = {
    "model": {"storageUri": MODEL},
    "storage": {"folder": {"path": "store"}},
    "engine": {
        "type": "VLLM",
        "dtype": "Float32",
        "vllm": {"enforceEager": True, "maxModelLength": 4096, "maxNumSeqs": 32},
    },
    "instructions": {"count": COUNT},
    "selection": {"minSamples": 1},
    "yardstick": {"items": 0},
    "training": {
        "maxLength": 512,
        "effectiveBatchSize": 4,
        "numTrainEpochs": 1,
        "learningRate": 5e-4,
        "warmupSteps": 0,
    },
}
SHORT = {"sampling": {"temperature": 0.7, "maxTokens": 200}}
RECIPES: dict[str, dict[str, Any]] = {
    "one-gpu-7b": {
        "iterations": 2,
        "instructions": SHORT,
        "responses": SHORT,
        "assessment": {"decoding": "Constrained", "sampling": {"maxTokens": 64}},
        "selection": {"threshold": 1},
    },
    "self-instruct": {"selfInstruct": {"sampling": {"maxTokens": 400}}},
    "self-instruct-light": {
        "selfInstruct": {"sampling": {"maxTokens": 400}},
        "responses": SHORT,
    },
    "alpaca": {"alpaca": {"sampling": {"temperature": 0.7, "maxTokens": 600}}},
    "dromedary": {
        "instructions": SHORT,
        "dromedary": {"topics": 8, "topicGuided": 8, "verbose": COUNT},
        "responses": SHORT,
        "training": {"maxSamples": 32},
    },
}
"""The changes to an example in addition to `LAPTOP`, by the example's name."""


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a document in which the fields of another one replace or extend its fields."""
    both = [key for key in changes if isinstance(changes[key], dict) and key in base]
    return {**base, **changes, **{key: merged(base[key], changes[key]) for key in both}}


@pytest.mark.parametrize("name", RECIPES)
def test_an_example_runs_to_its_end(
    name: str, smollm2_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(os.cpu_count()))
    document = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    own = {key: value for key, value in document["spec"].items() if key != "compute"}
    spec = merged({**own, "storage": {}, "engine": {}}, merged(LAPTOP, RECIPES[name]))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({**document, "spec": spec}))

    def run_command(*words: str) -> str:
        return command(tmp_path, smollm2_dir, *words, mirrored=MODEL, seconds=SECONDS)

    assert "every stage is committed" in run_command("run", "run.yaml")
    report = json.loads(
        Path(run_command("report", "run.yaml").strip()).with_name("report.json").read_text()
    )
    assert len(report["iterations"]) == spec["iterations"]
    lines = [step["label"] for one in report["iterations"] for step in one["funnel"]]
    assert UNEXPLAINED not in lines
    for iteration in range(1, spec["iterations"] + 1):
        run_command("export", "run.yaml", "--iteration", str(iteration), "-o", "data.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "data.jsonl").read_text().splitlines()]
        assert rows
        assert all(row["prompt"] and row["completion"] for row in rows)
