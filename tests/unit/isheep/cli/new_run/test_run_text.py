"""The file of `isheep init`: valid without a warning for every size and recipe, with comments."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.api.reading.loader import load_run
from isheep.api.reading.yaml_reader import read_documents
from isheep.api.recipe_registry import RECIPE_DEFINITIONS
from isheep.cli.new_run.init_questions import answered
from isheep.cli.new_run.run_fields import Answers, scalar
from isheep.cli.new_run.run_sizes import SIZES
from isheep.cli.new_run.run_text import WIDTH, run_text
from isheep.contract.store_spec import S3StoreSpec

NOTHING = dict.fromkeys(
    ("from", "model", "recipe", "iterations", "instructions", "cluster", "store")
)
BUCKET = S3StoreSpec(bucket="my-bucket", prefix="a/b")
STORES: dict[bool, tuple[S3StoreSpec | str | None, ...]] = {
    False: (None, "there", BUCKET),
    True: (None, BUCKET),
}
CASES = [
    Answers(size, size.model, recipe, 2, count or size.instructions, cluster, store)
    for size, recipe, cluster in itertools.product(SIZES, RECIPE_DEFINITIONS, STORES)
    for store, count in zip(STORES[cluster], (None, 1, 20000), strict=False)
    if count is None or size.name in ("135m", "32b")
]


def text_of(**given_values: str | None) -> str:
    return run_text(answered({**NOTHING, **given_values}, None))


@pytest.mark.parametrize(
    "answers",
    CASES,
    ids=lambda a: f"{a.size.name}-{a.recipe}-{a.instructions}-{'cluster' if a.cluster else 'one'}",
)
def test_the_text_passes_the_strict_validation_and_explains_each_field(answers: Answers) -> None:
    text = run_text(answers)
    loaded = load_run(text)
    assert [str(warning) for warning in loaded.warnings()] == []
    spec = loaded.run.spec
    assert (spec.recipe, spec.instructions.count) == (answers.recipe, answers.instructions)
    assert (spec.storage is None) is (answers.store is None)
    gpus = spec.compute.training.resources.limits.get("nvidia.com/gpu", "0")
    assert int(gpus) == (answers.size.gpus if answers.cluster else 0)
    assert spec.engine.vllm.tensor_parallel_size == max(1, answers.size.gpus)
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    for before, line in itertools.pairwise(lines):
        if line and not line.lstrip().startswith("#") and not line.endswith(":"):
            assert before.lstrip().startswith("# "), f"{line} has no comment"


@pytest.mark.parametrize("recipe", RECIPE_DEFINITIONS)
def test_the_defaults_of_a_recipe_are_valid(recipe: str) -> None:
    loaded = load_run(text_of(**{"from": "14b"}, recipe=recipe, cluster="cluster"))
    assert loaded.warnings() == []
    assert loaded.run.spec.iterations == {"SelfInstruct": 1, "Alpaca": 1}.get(recipe, 2)


def test_the_tiny_run_of_isheep_has_the_settings_of_the_quickstart() -> None:
    example = yaml.safe_load((Path(__file__).parents[5] / "examples/quickstart.yaml").read_text())
    spec = load_run(text_of(**{"from": "135m"})).document["spec"]
    assert spec["model"] == example["spec"]["model"]
    for field in ("responses", "assessment", "selection"):
        assert spec[field] == example["spec"][field]
    assert spec["instructions"] == example["spec"]["instructions"]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("hf://Qwen/Qwen2.5-7B", "qwen2-5-7b"),
        ("hf://org/7B", "run-7b"),
        ("hf://org/a___", "a"),
        ("file:///models/my model/", "my-model"),
        (f"hf://org/{'a.' * 40}", "a-" * 19 + "a"),
    ],
)
def test_the_name_of_the_run_is_that_of_the_model(model: str, name: str) -> None:
    assert load_run(text_of(**{"from": "7b"}, model=model)).run.metadata.name == name


@given(st.text(min_size=1))
def test_a_scalar_is_one_line_that_is_read_back_as_the_same_text(text: str) -> None:
    line = scalar(text)
    assert "\n" not in line
    assert read_documents(f"a:\n  b: {line}\nc: 1\n")[0].value == {"a": {"b": text}, "c": 1}


@settings(max_examples=10, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30))
def test_no_path_changes_the_form_of_the_file(path: str) -> None:
    loaded = load_run(
        text_of(**{"from": "7b"}, model=f"file:///{path} # x: y", store=f"./{path}: [#")
    )
    assert loaded.run.spec.model.storage_uri == f"file:///{path} # x: y"
    assert loaded.document["spec"]["storage"] == {"folder": {"path": f"./{path}: [#"}}
