"""The loader's messages for bad specs. The corpus of tests/control_plane has all bad specs."""

from __future__ import annotations

from pathlib import Path

import pytest

from isheep.api.reading.loader import MAX_BYTES, LoadedRun, SpecError, load_run

HEAD = "apiVersion: isheep.dev/v1alpha1\nkind: SelfAlignmentRun\nmetadata: {name: run}\n"
SPEC = HEAD + "spec:\n  recipe: ISheep\n  iterations: 2\n  model: {storageUri: hf://org/name}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as refused:
        load_run(text)
    return [str(problem) for problem in refused.value.problems]


def test_a_run_is_read_with_its_defaults_and_places() -> None:
    loaded = load_run(SPEC + "  training:\n    lora: {r: 16}\n")
    assert isinstance(loaded, LoadedRun)
    assert loaded.run.metadata.name == "run"
    assert loaded.run.spec.training.lora.r == 16
    assert loaded.run.spec.training.lora.alpha == 16
    assert loaded.document["spec"]["training"] == {"lora": {"r": 16}}
    assert loaded.where("spec.training.lora.r") == "<text>:9"
    assert loaded.where("spec.training.maxLength") == "<text>:8"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "training: {lora: {r: 2.5}}",
            "<text>:8:21: spec.training.lora.r: found 2.5; allowed: a whole number from 1 to 512",
        ),
        (
            "training: {lora: {alfa: 3}}",
            "<text>:8:21: spec.training.lora.alfa: this field does not exist; did you mean alpha?",
        ),
        (
            "training: {max_length: 3}",
            "<text>:8:14: spec.training.max_length: this field does not exist; "
            "did you mean maxLength?",
        ),
        (
            "treshold: 3",
            "<text>:8:3: spec.treshold: this field does not exist; "
            "did you mean spec.selection.threshold?",
        ),
        (
            "training: {lora: {zebra: 3}}",
            "<text>:8:21: spec.training.lora.zebra: this field does not exist; "
            "spec.training.lora has r, alpha, dropout, targetModules",
        ),
        (
            "assessment: {rubric: combind}",
            '<text>:8:16: spec.assessment.rubric: found "combind"; allowed: one of Simple, '
            "Combined, InContext; did you mean Combined?",
        ),
        (
            "suspend: 1",
            "<text>:8:3: spec.suspend: found 1; allowed: true or false",
        ),
        (
            "seedTasks: {}",
            "<text>:8:3: spec.seedTasks: set exactly one of builtin, storageUri and configMapRef",
        ),
    ],
)
def test_a_problem_has_its_place_its_field_and_its_remedy(line: str, message: str) -> None:
    assert problems(SPEC + f"  {line}\n") == [message]


def test_a_plain_scalar_with_another_meaning_needs_quotes() -> None:
    (message,) = problems(SPEC + "  language: no\n")
    assert "found no, which means false in YAML" in message
    assert message.endswith("write it in quotes")


def test_an_unknown_recipe_is_reported_with_all_recipes() -> None:
    (message,) = problems(SPEC.replace("recipe: ISheep", "recipe: Goat"))
    assert message.startswith('<text>:5:3: spec.recipe: found "Goat"; allowed: one of ISheep, ')


def test_a_missing_field_has_the_place_of_its_object() -> None:
    (message,) = problems(SPEC.replace("  iterations: 2\n", ""))
    assert (
        message == "<text>:4:1: spec.iterations: the field is required: a whole number from 1 to 20"
    )


def test_all_problems_are_reported_in_the_order_of_the_file() -> None:
    found = problems(SPEC.replace("iterations: 2", "iterations: 99") + "  nope: 1\n  suspend: 2\n")
    assert [message.split(": ")[1] for message in found] == [
        "spec.iterations",
        "spec.nope",
        "spec.suspend",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "<text>:1:1: the file is empty: write a SelfAlignmentRun into it"),
        ("# nothing\n---\n", "<text>:1:1: the file is empty: write a SelfAlignmentRun into it"),
        (f"{SPEC}---\n{SPEC}", "<text>:9:1: this is document 2 of 2: write each run into its own "),
        ("a: 1\nb: \x01", "<text>:2:4: the text is not valid YAML: the character U+0001"),
        ("a: [1", "<text>:1:6: the text is not valid YAML"),
        ("[1, 2]", "<text>:1:1: found a list of 2; allowed: an object with apiVersion, kind"),
        (
            "apiVersion: v1\nkind: ConfigMap",
            '<text>:1:1: the document has apiVersion "v1" and kind "ConfigMap"; a run has '
            "apiVersion isheep.dev/v1alpha1 and kind SelfAlignmentRun",
        ),
        ("spec: {}", "<text>:1:1: the document has no apiVersion and no kind; a run has"),
        (
            SPEC + "  iterations: 3\n",
            "<text>:8:3: spec.iterations: iterations is a duplicate of the key in line 6",
        ),
    ],
)
def test_a_document_that_is_not_a_run_is_refused(text: str, message: str) -> None:
    (found,) = problems(text)
    assert found.startswith(message)


def test_a_file_is_read_and_its_problems_name_it(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SPEC.encode())
    assert load_run(path).source == str(path)
    for content, message in (
        (SPEC.encode() + b"  language: \xff\n", f"{path}:8:1: the file is not UTF-8"),
        (b"#" * (MAX_BYTES + 1), f"{path}:1:1: the file is larger than"),
    ):
        path.write_bytes(content)
        with pytest.raises(SpecError, match="^" + message.replace("\\", "\\\\")):
            load_run(path)
    with pytest.raises(SpecError, match="the file cannot be read: No such file"):
        load_run(tmp_path / "none.yaml")


def test_a_stored_run_may_have_fields_of_a_newer_version() -> None:
    text = SPEC + "  newer: 1\n  training: {alsoNewer: 2, maxLength: 512}\n"
    assert load_run(text, strict=False).run.spec.training.max_length == 512
    with pytest.raises(SpecError):
        load_run(text)


def test_the_response_of_an_api_server_is_read() -> None:
    text = SPEC.replace(
        "metadata: {name: run}",
        "metadata: {name: run, namespace: team, uid: a-b, resourceVersion: '7', generation: 2, "
        "creationTimestamp: '2026-01-31T12:00:00Z', managedFields: [{manager: kubectl}]}\n"
        "status: {observedGeneration: 2, phase: Running}",
    )
    run = load_run(text).run
    assert run.metadata.namespace == "team"
    assert run.status.phase == "Running"
