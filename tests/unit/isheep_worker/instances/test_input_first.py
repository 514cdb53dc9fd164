"""Input first: the expected form, deviations of models, and hostile texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.instances.input_first import InputFirst
from isheep_worker.instances.interface import Instance
from isheep_worker.templates.library import TemplateLibrary

FORM = InputFirst()
WELL_FORMED = (
    "Example 1\nInput: two\nlines\nOutput: one\nExample 2\nInput: x\nOutput: y\n\nmore of y\n"
)


def pairs(text: str, *, most: int = 5, cut: bool = False) -> list[tuple[str, str]]:
    parsed = FORM.parse(text, most=most, cut=cut)
    return [(instance.input, instance.output) for instance in parsed.instances]


def failures(text: str, *, most: int = 5, cut: bool = False) -> dict[str, int]:
    return dict(FORM.parse(text, most=most, cut=cut).failures)


def test_the_expected_form_is_parsed() -> None:
    parsed = FORM.parse(WELL_FORMED, most=5, cut=False)
    assert parsed.instances == (Instance("two\nlines", "one"), Instance("x", "y\n\nmore of y"))
    assert parsed.failures == {}


@pytest.mark.parametrize(
    "text",
    [
        "Input: x\nOutput: y\nInput: a\nOutput: b",  # no headings
        "Example 1:\nInput:\nx\nOutput:\ny\nExample 2.\nInput:\na\nOutput:\nb",
        "example 1\n  INPUT : x\n**Output:** y\n**Example 2**\n**Input**: a\noutput: b",
        "Example 1\nInput 1: x\nOutput 1: y\nExample 2\nInput 2: a\nOutput 2: b",
        "Example 1. Input: x\nOutput: y\nExample 2. Input: a\nOutput: b",
        "Input: x\nOutput: y\nExample 2\nInput: a\nOutput: b\n\nTask: Another.\nOutput: c",
    ],
)
def test_small_deviations_are_parsed(text: str) -> None:
    assert pairs(text) == [("x", "y"), ("a", "b")]
    assert failures(text) == {}


def test_a_task_without_inputs_has_outputs_only() -> None:
    assert pairs("Output: a poem\n\nin two parts") == [("", "a poem\n\nin two parts")]
    assert pairs("Example 1\nOutput: a\nExample 2\nOutput: b") == [("", "a"), ("", "b")]


def test_a_label_is_at_the_start_of_a_line_and_ends_with_a_colon() -> None:
    text = "Input files are here\nOutput: see\nInput data\nOutput. and the output: none\nLabel: x"
    assert pairs(text) == [("", "see\nInput data\nOutput. and the output: none\nLabel: x")]


@pytest.mark.parametrize(
    ("text", "found", "counted"),
    [
        ("", [], {}),
        ("I do not know.", [], {"parse-unlabelled": 1}),
        ("Well:\n\nOutput: y", [("", "y")], {"parse-unlabelled": 1}),
        ("Input: x", [], {"parse-missing-output": 1}),
        ("Input: x\nInput: a\nOutput: b", [("a", "b")], {"parse-missing-output": 1}),
        ("Input: x\nExample 2\nOutput: b", [("", "b")], {"parse-missing-output": 1}),
        ("Input: x\nOutput:", [("x", "")], {}),  # a rule drops it
        ("Task: x\nOutput: y", [], {}),
    ],
)
def test_failures_are_counted_by_kind(text: str, found: list, counted: dict[str, int]) -> None:
    assert (pairs(text), failures(text)) == (found, counted)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Input: x\nOutput: y\nInput: a\nOutput: b", [("x", "y")]),
        ("Input: x\nOutput: y\nInput: a and", [("x", "y")]),
        ("Output: y and", []),
    ],
)
def test_the_last_instance_of_a_cut_completion_is_dropped(text: str, kept: list) -> None:
    assert (pairs(text, cut=True), failures(text, cut=True)) == (kept, {"parse-cut": 1})


def test_instances_above_the_maximum_are_counted() -> None:
    text = "".join(f"Example {n}\nInput: {n}\nOutput: {n}\n" for n in range(1, 8))
    assert pairs(text) == [(str(n), str(n)) for n in range(1, 6)]
    assert failures(text) == {"parse-surplus": 2}
    assert FORM.stop(5) == ("\nExample 6", "\nTask:")


def test_the_prompt_ends_with_the_task_on_one_line() -> None:
    prompt = FORM.prompt(TemplateLibrary(), "Name \n two rivers.")
    assert prompt.endswith("\nTask: Name two rivers.\n")


def test_the_examples_of_the_template_are_parsed() -> None:
    prompt = FORM.prompt(TemplateLibrary(), "Do it.")
    tasks = prompt.split("\nTask: ")[1:-1]
    parsed = [FORM.parse(task.partition("\n")[2], most=5, cut=False) for task in tasks]
    assert len(parsed) >= 6
    assert all(one.instances and not one.failures for one in parsed)
    with_input = {bool(one.instances[0].input) for one in parsed}
    assert with_input == {True, False}


FIELD = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters=":.\r"), min_size=1)


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8))
def test_instances_in_the_expected_form_are_read_back(fields: list[tuple[str, str]]) -> None:
    text = "\n".join(
        f"Example {n}\nInput: x{task_input}\nOutput: x{output}"
        for n, (task_input, output) in enumerate(fields, start=1)
    )
    assert pairs(text, most=8) == [(f"x{a}".strip(), f"x{b}".strip()) for a, b in fields]


@given(st.text(), st.integers(1, 16), st.booleans())
def test_every_text_can_be_parsed(text: str, most: int, cut: bool) -> None:
    parsed = FORM.parse(text, most=most, cut=cut)
    assert len(parsed.instances) <= most
    for instance in parsed.instances:
        (instance.input + instance.output).encode("utf-8")


# Not a benchmark: a quadratic parser would take hours, which the usual timeout ends.
@pytest.mark.parametrize(
    "unit",
    ["a", " ", "\n", "*", "Example 1 ", "Input:", "\nInput: x", "\nOutput: x", "\nExample 1", "\0"],
)
def test_a_text_of_a_megabyte_is_parsed_in_time(unit: str) -> None:
    FORM.parse(unit * (1_000_000 // len(unit)), most=5, cut=True)
