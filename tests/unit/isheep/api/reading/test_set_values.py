"""Values of `--set`: how they are read, what they replace, and how errors name them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isheep.api.reading.loader import LoadedRun, SpecError, load_run
from isheep.api.reading.schema_paths import spec_paths
from isheep.api.reading.set_values import (
    SetValueError,
    parse_path,
    parse_set,
    recorded_values,
    set_words,
    value_at,
    value_text,
    with_values,
)
from isheep.api.reading.yaml_reader import Document

RUN: dict[str, Any] = {
    "apiVersion": "isheep.dev/v1alpha1",
    "kind": "SelfAlignmentRun",
    "metadata": {"name": "lamb"},
    "spec": {
        "recipe": "ISheep",
        "iterations": 2,
        "model": {"storageUri": "hf://org/tiny"},
        "selection": {"threshold": 7},
        "compute": {"inference": {"env": [{"name": "A", "value": "1"}]}},
    },
}
TEXT = yaml.safe_dump(RUN, sort_keys=False)


def loaded(*texts: str) -> LoadedRun:
    return load_run(TEXT, set_values=[parse_set(text) for text in texts])


def error(*texts: str) -> str:
    with pytest.raises(SpecError) as found:
        loaded(*texts)
    return str(found.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("spec.iterations=5", 5),
        ("spec.iterations=010", 8),  # as kubectl reads it
        ("spec.suspend=on", True),
        ("spec.suspend= true ", True),
        ("spec.model.revision='1.0'", "1.0"),
        ("spec.model.revision=a=b", "a=b"),
        ("spec.assessment.levels=[Quality]", ["Quality"]),
        ("spec.training.lora={r: 4, alpha: 8}", {"r": 4, "alpha": 8}),
        ("spec.training.learningRate=1e-4", 1e-4),
        ("spec.selection.threshold=null", None),
        ("spec.selection.threshold=~", None),
    ],
)
def test_a_value_is_read_as_kubectl_reads_a_file(text: str, value: Any) -> None:
    found = parse_set(text).value
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("spec.iterations", ("spec", "iterations")),
        (
            "spec.compute.inference.env[0].value",
            ("spec", "compute", "inference", "env", 0, "value"),
        ),
        (
            "spec.compute.training.resources.limits.nvidia.com/gpu",
            ("spec", "compute", "training", "resources", "limits", "nvidia.com/gpu"),
        ),
        ("spec.nothing.at.all", ("spec", "nothing", "at", "all")),
    ],
)
def test_the_schema_decides_where_a_path_ends(name: str, path: tuple[str | int, ...]) -> None:
    assert parse_path(name) == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spec.iterations", "write it as spec.FIELD=VALUE"),
        ("iterations=3", "a field begins with spec."),
        ("spec=3", "a field begins with spec."),
        ("metadata.name=x", "a field begins with spec."),
        ("=3", "a field begins with spec."),
        ("spec.iterations.=3", "ends with a dot"),
        ("spec..iterations=3", "'' is no field"),
        ("spec.[0]=3", "is no field"),
        ("spec.compute.inference.env[x]=3", "is no field"),
        ("spec" + ".a" * 5000 + "=3", "there are more than 64 parts"),
        ("spec.a" + "[0]" * 5000 + "=3", "there are more than 64 parts"),
        ("spec.iterations=", "the value is empty: write null"),
        ("spec.iterations=  ", "the value is empty"),
        ("spec.iterations=[1", "not valid YAML"),
        ("spec.iterations=1\n---\n2", "is not one YAML value"),
        ("spec.iterations=#3", "is not one YAML value"),
        ("spec.training={r: 1, r: 2}", "r is a duplicate"),
        ("spec.training.learningRate=.nan", "JSON has no number"),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(SetValueError) as found:
        parse_set(text)
    assert str(found.value).startswith("--set ")
    assert message in str(found.value)


def test_values_replace_add_and_remove_fields_in_their_order() -> None:
    run = loaded(
        "spec.training={maxLength: 512}",
        "spec.training.lora.r=4",
        "spec.iterations=3",
        "spec.iterations=4",
        "spec.selection.threshold=null",
        "spec.compute.inference.env[0].value=two",
    ).run
    assert (run.spec.training.max_length, run.spec.training.lora.r) == (512, 4)
    assert (run.spec.iterations, run.spec.selection.threshold) == (4, 8)
    assert run.spec.compute.inference.env[0].value == "two"


def test_the_removal_of_an_absent_field_changes_nothing() -> None:
    assert loaded("spec.training.lora.r=null").document == RUN
    assert loaded("spec.compute.inference.env[0]=null").run.spec.compute.inference.env == ()


def test_the_document_of_the_file_is_not_changed() -> None:
    document = Document(copy.deepcopy(RUN))
    changed = with_values(
        document, [parse_set("spec.model.revision=main"), parse_set("spec.selection.threshold=1")]
    )
    assert document.value == RUN
    assert changed.value["spec"]["model"] == {"storageUri": "hf://org/tiny", "revision": "main"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "spec.selection.threshold=high",
            '<text>:11:5: --set spec.selection.threshold: found "high"; allowed: ',
        ),
        ("spec.selection.treshold=1", "--set spec.selection.treshold: this field does not exist; "),
        (
            "spec.training={maxLength: no}",
            "<text>:5:1: --set spec.training: spec.training.maxLength: found no, which means false",
        ),
        ("spec.model=null", "--set spec.model: the field is required"),
        (
            "spec.instructions.count=10",
            "--set spec.instructions.count: spec.selection.minSamples: selection.minSamples is abo",
        ),
        (
            "spec.iterations.x=1",
            "--set spec.iterations.x: spec.iterations is not an object, so it has no x",
        ),
        (
            "spec.compute.inference.env[1].value=1",
            "spec.compute.inference.env has no item 1: set the whole list",
        ),
    ],
)
def test_an_error_names_the_place_in_the_file_and_the_option(text: str, expected: str) -> None:
    message = error(text)
    assert expected in message
    assert all(line.startswith("<text>:") for line in message.splitlines())


def test_a_problem_of_the_file_alone_does_not_name_the_option() -> None:
    with pytest.raises(SpecError) as found:
        load_run(
            TEXT.replace("iterations: 2", "iterations: two"),
            set_values=[parse_set("spec.selection.threshold=1")],
        )
    assert "--set" not in str(found.value)


def test_a_warning_and_a_place_name_the_option() -> None:
    run = loaded("spec.training.effectiveBatchSize=17")
    (warning,) = run.warnings()
    assert ": --set spec.training.effectiveBatchSize: warning: 17 pairs" in str(warning)
    assert run.where("spec.training.effectiveBatchSize") == "--set spec.training.effectiveBatchSize"
    assert run.where("spec.iterations") == "<text>:7"


def test_the_recorded_values_are_those_of_the_document_without_the_storage() -> None:
    values = [
        parse_set("spec.training={maxLength: 512}"),
        parse_set("spec.training.maxLength=256"),
        parse_set("spec.selection.threshold=null"),
        parse_set("spec.storage.folder.path=there"),
    ]
    assert recorded_values(load_run(TEXT, set_values=values).document, values) == {
        "spec.training": {"maxLength": 256},
        "spec.training.maxLength": 256,
        "spec.selection.threshold": None,
    }


def test_each_field_of_the_spec_has_a_path_that_is_read_back() -> None:
    for path in spec_paths():
        assert parse_path(".".join(map(str, path))) == path


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda items: st.lists(items) | st.dictionaries(st.text(), items.filter(bool)),
        max_leaves=5,
    )
)
def test_a_printed_value_is_read_back_as_it_is(value: Any) -> None:
    assert "\n" not in value_text(value)
    option, text = set_words({"spec.x": value})
    assert option == "--set"
    assert parse_set(text).value == value


def test_the_value_at_a_path_that_does_not_exist_is_none() -> None:
    assert value_at(RUN, ("spec", "model", "storageUri")) == "hf://org/tiny"
    assert value_at(RUN, ("spec", "iterations", "x")) is None
    assert value_at(RUN, ("spec", "compute", "inference", "env", 3)) is None
