"""Output first: classes and what belongs to them."""

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


def test_the_asked_form() -> None:
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
        ("Class label: A\nInput: x\nInput: y", [("x", "A")], {"missing_output": 1}),
        ("Input: x\nClass label: A\nInput: y", [("y", "A")], {"missing_output": 1}),
        ("Yes, it is.\nClass label: A", [("", "A")], {"unlabelled": 1}),
        ("Class label: A\nInput: x\nTask: Other.\nClass label: B", [("x", "A")], {}),
        ("", [], {}),
    ],
)
def test_what_models_make_of_it(text: str, found: list, counted: dict[str, int]) -> None:
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
    assert FORM.parse(text, most=5, cut=True).failures == {"cut": 1}


def test_more_than_were_asked_for_are_counted() -> None:
    text = "Class label: A\nInput: x\n" * 7
    assert pairs(text, most=5) == [("x", "A")] * 5
    assert FORM.parse(text, most=5, cut=False).failures == {"surplus": 2}
    assert FORM.stop(5) == ("\nTask:",)


def test_the_templates_own_examples_are_read_and_use_several_classes() -> None:
    prompt = FORM.prompt(TemplateLibrary(), "Sort \n it.")
    assert prompt.endswith("\nTask: Sort it.\n")
    tasks = prompt.split("\nTask: ")[1:-1]
    assert len(tasks) >= 5
    for task in tasks:
        parsed = FORM.parse(task.partition("\n")[2], most=5, cut=False)
        assert parsed.failures == {}
        assert len({instance.output for instance in parsed.instances}) > 1


@given(st.text(), st.integers(1, 16), st.booleans())
def test_no_text_fails(text: str, most: int, cut: bool) -> None:
    parsed = FORM.parse(text, most=most, cut=cut)
    assert len(parsed.instances) <= most
    for instance in parsed.instances:
        (instance.input + instance.output).encode("utf-8")


@pytest.mark.timeout(120)  # not a measure: a quadratic parser would take hours
@pytest.mark.parametrize(
    "unit", ["a", "\n", "Class label:", "\nClass label: x", "\nInput: x", "\nTask", "\ud800"]
)
def test_a_megabyte_of_anything_is_read(unit: str) -> None:
    FORM.parse(unit * (1_000_000 // len(unit)), most=5, cut=True)
