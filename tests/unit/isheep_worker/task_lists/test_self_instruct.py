"""Self-Instruct's list: instructions without inputs and outputs."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.contract.choices import DropLast
from isheep_worker.task_lists.registry import TASK_LISTS
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import Exemplar

STYLE = TASK_LISTS["SelfInstruct"]


def read(text: str, *, cut: bool = False, drop_last: DropLast = "IfCut") -> list[str]:
    parsed = STYLE.parse(text, exemplars=8, cut=cut, drop_last=drop_last)
    assert all(task.input == "" and task.output is None for task in parsed.tasks)
    assert [task.position for task in parsed.tasks] == list(range(1, len(parsed.tasks) + 1))
    return [task.instruction for task in parsed.tasks]


def failures(text: str, **more: bool) -> dict[str, int]:
    cut = more.get("cut", False)
    return dict(STYLE.parse(text, exemplars=8, cut=cut, drop_last="IfCut").failures)


def test_the_prompt_shows_only_instructions_and_ends_with_the_next_number() -> None:
    exemplars = [Exemplar(f"Name \n {n} rivers.", "an input", "an output") for n in range(1, 9)]
    prompt = STYLE.prompt(TemplateLibrary(), exemplars, language="fi")
    assert prompt.endswith("\n7. Name 7 rivers.\n8. Name 8 rivers.\n9.")
    assert "Finnish" in prompt
    assert "input" not in prompt
    listed = prompt.partition("\n1.")[2].rpartition("\n")[0]
    assert read(listed) == [f"Name {n} rivers." for n in range(1, 9)]


@pytest.mark.parametrize(
    "text",
    [
        " One thing.\n10. Two things.\n11. Three\nthings.",
        " One thing.\n10) Two things.\n11 . Three things.\n",
        " One thing.\n\n10. Two things.\n\n11. Three things.",
        " One thing.\n3. Two things.\n  999. Three \t things.",  # numbers of any kind
        " One thing.\r\n10. Two things.\r\n11. Three things.\r\n",
        "\nOne thing.\n10.\nTwo things.\n11. Three things.",
    ],
)
def test_lists_of_every_kind_are_parsed(text: str) -> None:
    assert read(text) == ["One thing.", "Two things.", "Three things."]
    assert failures(text) == {}


def test_a_year_and_a_decimal_do_not_start_a_task() -> None:
    assert read(" Say what happened\nin 1789.\n3.5 is no number of a task.") == [
        "Say what happened in 1789. 3.5 is no number of a task."
    ]


@pytest.mark.parametrize(
    ("text", "cut", "counted"),
    [
        ("", False, {"parse-empty-instruction": 1}),
        ("\n\n \n", False, {"parse-empty-instruction": 1}),
        (" One.\n10.\n11. Three.", False, {"parse-empty-instruction": 1}),
        (" One.\n\nThat is all.\nBye.", False, {"parse-unlabelled": 1}),
        (" One.\n10. Tw", True, {"parse-cut": 1}),
        (" One.\n10. Two.\n\n", True, {}),
    ],
)
def test_failures_are_counted_by_kind(text: str, cut: bool, counted: dict[str, int]) -> None:
    assert failures(text, cut=cut) == counted


@pytest.mark.parametrize(
    ("cut", "drop_last", "kept"),
    [
        (False, "IfCut", 2),
        (True, "IfCut", 1),
        (False, "Always", 1),
        (True, "Always", 1),
    ],
)
def test_the_last_task_is_dropped_if_it_may_be_incomplete(
    cut: bool, drop_last: DropLast, kept: int
) -> None:
    assert len(read(" One.\n10. Two.", cut=cut, drop_last=drop_last)) == kept


def test_a_completion_ends_with_an_empty_line_or_the_seventeenth_task() -> None:
    assert STYLE.stop == ("\n\n", "\n17.")


LINE = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Z"]), min_size=1)


@given(st.lists(st.lists(LINE, min_size=1), min_size=1))
def test_tasks_in_the_expected_form_are_read_back(tasks: list[list[str]]) -> None:
    instructions = ["x" + " ".join(words) for words in tasks]
    text = "".join(f"{n}. {one}\n" for n, one in enumerate(instructions, start=9))
    assert read(text.removeprefix("9.")) == [" ".join(one.split()) for one in instructions]


@given(st.text(), st.booleans(), st.sampled_from(get_args(DropLast)))
def test_every_text_can_be_parsed(text: str, cut: bool, drop_last: DropLast) -> None:
    for instruction in read(text, cut=cut, drop_last=drop_last):
        assert instruction == " ".join(instruction.split()) != ""
        instruction.encode("utf-8")


# Not a benchmark: a quadratic parser would take hours, which the usual timeout ends.
@pytest.mark.parametrize("unit", ["a", " ", "\n", "1", "9. ", "\n9. x", "\n\n9.", "\0", "\ud800"])
def test_a_text_of_a_megabyte_is_parsed_in_time(unit: str) -> None:
    read(unit * (1_000_000 // len(unit)), cut=True)
