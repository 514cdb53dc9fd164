"""Output first: class labels, each with a text that belongs to the class."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.instances.interface import Instance
from isheep_worker.instances.output_first import OutputFirst
from isheep_worker.templates.library import TemplateLibrary

FORM = OutputFirst()


def pairs(text: str, *, most: int = 5, cut: bool = False) -> list[tuple[str, str]]:
    parsed = FORM.parse(text, most=most, cut=cut)
    return [(instance.input, instance.output) for instance in parsed.instances]


def test_the_expected_form_is_parsed() -> None:
    text = "Class label: Fact\nInput: It rains.\nClass label: Opinion\nInput: I like\nrain.\n"
    parsed = FORM.parse(text, most=5, cut=False)
    assert parsed.instances == (
        Instance("It rains.", "Fact"),
        Instance("I like\nrain.", "Opinion"),
    )
    assert parsed.failures == {}


@pytest.mark.parametrize(
    ("text", "found", "counted"),
    [
        ("Label: A\nInput: x\noutput: B\nInput: y", [("x", "A"), ("y", "B")], {}),
        ("Class Label 1: A\nInput 1:\nx", [("x", "A")], {}),
        ("Class label: A\nClass label: B", [("", "A"), ("", "B")], {}),
        ("Class label: A\nInput: x\nInput: y", [("x", "A")], {"parse-missing-output": 1}),
        ("Input: x\nClass label: A\nInput: y", [("y", "A")], {"parse-missing-output": 1}),
        ("Yes, it is.\nClass label: A", [("", "A")], {"parse-unlabelled": 1}),
        ("Class label: A\nInput: x\nTask: Other.\nClass label: B", [("x", "A")], {}),
        ("", [], {}),
    ],
)
def test_deviations_of_models_are_parsed_or_counted(
    text: str, found: list, counted: dict[str, int]
) -> None:
    assert pairs(text) == found
    assert FORM.parse(text, most=5, cut=False).failures == counted


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Class label: A\nInput: x\nClass label: B\nInput: y and", [("x", "A")]),
        ("Class label: A\nInput: x\nClass lab", []),
        ("Class label: A\nInput: x\nClass label: B", [("x", "A")]),
    ],
)
def test_the_last_instance_of_a_cut_completion_is_dropped(text: str, kept: list) -> None:
    assert pairs(text, cut=True) == kept
    assert FORM.parse(text, most=5, cut=True).failures == {"parse-cut": 1}


def test_instances_above_the_maximum_are_counted() -> None:
    text = "Class label: A\nInput: x\n" * 7
    assert pairs(text, most=5) == [("x", "A")] * 5
    assert FORM.parse(text, most=5, cut=False).failures == {"parse-surplus": 2}
    assert FORM.stop(5) == ("\nTask:",)


def test_the_examples_of_the_template_are_parsed_and_have_several_classes() -> None:
    prompt = FORM.prompt(TemplateLibrary(), "Sort \n it.")
    assert prompt.endswith("\nTask: Sort it.\n")
    tasks = prompt.split("\nTask: ")[1:-1]
    assert len(tasks) >= 5
    for task in tasks:
        parsed = FORM.parse(task.partition("\n")[2], most=5, cut=False)
        assert parsed.failures == {}
        assert len({instance.output for instance in parsed.instances}) > 1


@given(st.text(), st.integers(1, 16), st.booleans())
def test_every_text_can_be_parsed(text: str, most: int, cut: bool) -> None:
    parsed = FORM.parse(text, most=most, cut=cut)
    assert len(parsed.instances) <= most
    for instance in parsed.instances:
        (instance.input + instance.output).encode("utf-8")


# Not a benchmark: a quadratic parser would take hours, which the usual timeout ends.
@pytest.mark.parametrize(
    "unit", ["a", "\n", "Class label:", "\nClass label: x", "\nInput: x", "\nTask", "\ud800"]
)
def test_a_text_of_a_megabyte_is_parsed_in_time(unit: str) -> None:
    FORM.parse(unit * (1_000_000 // len(unit)), most=5, cut=True)
