"""Alpaca's list: tasks with outputs only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.task_lists.registry import TASK_LISTS, WHOLE
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import Exemplar

STYLE = TASK_LISTS["Alpaca"]


def read(text: str, *, cut: bool = False) -> list[tuple[str, str, str | None]]:
    parsed = STYLE.parse(text, exemplars=3, cut=cut, drop_last="IfCut")
    return [(task.instruction, task.input, task.output) for task in parsed.tasks]


def failures(text: str, *, cut: bool = False) -> dict[str, int]:
    return dict(STYLE.parse(text, exemplars=3, cut=cut, drop_last="IfCut").failures)


def test_the_parser_reads_the_exemplars_of_a_prompt_back() -> None:
    exemplars = [
        Exemplar(f"Name {n} rivers.", "in Asia" if n % 2 else "", f"Lena\n\nand {n} more")
        for n in range(3)
    ]
    prompt = STYLE.prompt(TemplateLibrary(), exemplars, language="en")
    assert prompt.endswith("###\n4. Instruction:")
    listed = prompt.partition("1. Instruction:")[2].rpartition("###")[0]
    parsed = STYLE.parse(listed, exemplars=0, cut=False, drop_last="IfCut")
    found = [Exemplar(task.instruction, task.input, task.output or "") for task in parsed.tasks]
    assert found == exemplars
    assert not parsed.failures


def test_the_prompt_asks_for_twenty_tasks_and_stops_before_one_more() -> None:
    prompt = STYLE.prompt(TemplateLibrary(), [], language="en")
    assert "list of 20 tasks" in prompt
    assert "output" in prompt
    assert STYLE.stop == ("\n21. Instruction:",)
    assert {"Alpaca"} == WHOLE


@pytest.mark.parametrize(
    ("text", "found", "counted"),
    [
        (" A.\n4. Input:\nx\n4. Output:\ny\n###\n", [("A.", "x", "y")], {}),
        (" A.\n4. Input: <noinput>\n4. Output: y", [("A.", "", "y")], {}),
        (
            " A.\nOutput: y\nInstruction: B.\nOutput: z",
            [("A.", "", "y"), ("B.", "", "z")],
            {},
        ),
        (
            " A.\n###\nInstruction: B.\nOutput: z",
            [("B.", "", "z")],
            {"parse-missing-output": 1},
        ),
        (" A.\n4. Output:\n\n###", [], {"parse-missing-output": 1}),
        ("\n4. Output: y", [], {"parse-empty-instruction": 1}),
        (" A.\n9. Input: x\n4. Output: y", [], {"parse-broken-numbering": 1}),
    ],
)
def test_a_task_without_an_output_is_counted_as_a_failure(
    text: str, found: list, counted: dict[str, int]
) -> None:
    assert (read(text), failures(text)) == (found, counted)


def test_the_last_task_of_a_cut_completion_is_dropped() -> None:
    text = " A.\n4. Output: y\n###\n5. Instruction: B.\n5. Output: z and"
    assert (read(text, cut=True), failures(text, cut=True)) == ([("A.", "", "y")], {"parse-cut": 1})


@given(st.text(), st.booleans())
def test_every_text_can_be_parsed(text: str, cut: bool) -> None:
    for instruction, _, output in read(text, cut=cut):
        assert instruction.strip()
        assert output
        output.encode("utf-8")


# Not a benchmark: a quadratic parser would take hours, which the usual timeout ends.
@pytest.mark.parametrize("unit", ["a", "\nOutput: ", "\n4. Output: x", "\nInstruction: x", "###\n"])
def test_a_text_of_a_megabyte_is_parsed_in_time(unit: str) -> None:
    read(unit * (1_000_000 // len(unit)), cut=True)
