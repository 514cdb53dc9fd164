"""The run of `isheep evaluate MODEL`: what names it, and what its spec has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from isheep.api.reading.set_values import parse_set
from isheep.api.run import SelfAlignmentRunSpec
from isheep.cli.evaluation.added_benchmark import AddedBenchmark
from isheep.cli.evaluation.evaluated_model import (
    EvaluatedModel,
    evaluated_model,
    is_model,
    model_uri,
)

QUIZ = AddedBenchmark("arc_easy", limit=64)


def evaluated(uri: str = "hf://org/Tiny_Model", *benchmarks: Any, **changes: Any) -> EvaluatedModel:
    given: dict[str, Any] = {"revision": None, "engine": "VLLM", "set_values": (), "mirrors": {}}
    return evaluated_model(uri, benchmarks=benchmarks or (QUIZ,), **{**given, **changes})


def test_a_model_is_a_uri_or_a_folder_and_a_run_is_a_name_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model").mkdir()
    Path("run.yaml").write_text("x")
    assert is_model("hf://org/name")
    assert not is_model("model")  # a run can have this name
    assert is_model("./model")
    assert is_model(str(tmp_path / "model"))
    Path("model/config.json").write_text("{}")
    assert is_model("model")
    assert not is_model("run.yaml")
    assert not is_model("lamb")
    assert model_uri("model") == f"file://{tmp_path}/model"
    assert model_uri("s3://bucket/model") == "s3://bucket/model"


def test_the_stored_spec_has_the_internal_recipe_and_the_options() -> None:
    found = evaluated(
        "hf://org/Tiny_Model",
        QUIZ,
        AddedBenchmark("boolq", few_shot=0),
        revision="main",
        set_values=(
            parse_set("spec.engine.type=Transformers"),
            parse_set("spec.evaluation.allowCodeExecution=true"),
        ),
    )
    assert found.document["recipe"] == "EvaluateOnly"
    assert re.fullmatch(r"eval-tiny-model-[0-9a-f]{8}", found.name)
    assert found.document["model"] == {"storageUri": "hf://org/Tiny_Model", "revision": "main"}
    assert found.document["engine"] == {"type": "Transformers"}
    assert found.document["evaluation"] == {
        "benchmarks": [
            {"name": "arc-easy", "task": "arc_easy", "limit": 64},
            {"name": "boolq", "task": "boolq", "numFewShot": 0},
        ],
        "allowCodeExecution": True,
    }
    stored = SelfAlignmentRunSpec.read_stored(json.loads(json.dumps(found.document)))
    assert stored.recipe_settings() is None


def test_the_same_options_name_the_same_run_and_others_another_one() -> None:
    names = [
        one.name
        for one in (
            evaluated(),
            evaluated("hf://org/Tiny_Model", AddedBenchmark("arc_easy", limit=32)),
            evaluated("hf://org/Tiny_Model", AddedBenchmark("boolq")),
            evaluated(revision="main"),
            evaluated(engine="Transformers"),
            evaluated("hf://other/Tiny_Model"),
        )
    ]
    assert evaluated().name == names[0]
    assert len(set(names)) == len(names)
    assert evaluated(f"hf://org/{'a' * 90}").name.startswith(f"eval-{'a' * 24}-")


def test_a_changed_folder_or_file_is_another_run(tmp_path: Path) -> None:
    model, items = tmp_path / "model", tmp_path / "items.jsonl"
    model.mkdir()
    (model / "config.json").write_text("{}")
    items.write_text("{}\n")
    quiz = AddedBenchmark("arc_easy", data=str(items))

    def names() -> tuple[str, str]:
        mirrors = {"hf://org/Tiny_Model": str(model)}
        return evaluated(f"file://{model}", quiz).name, evaluated(mirrors=mirrors).name

    own, mirrored = names()
    assert names() == (own, mirrored)
    assert mirrored != evaluated().name
    (model / "config.json").write_text("{ }")
    changed, changed_mirror = names()
    assert own != changed
    assert mirrored != changed_mirror
    items.write_text("{ }\n")
    assert names()[0] not in {own, changed}
    assert names()[1] == changed_mirror
    assert evaluated("file:///nowhere").name.startswith("eval-nowhere-")
