"""The parser: the expected form, deviations of models, and hostile texts."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.contract.choices import DropLast
from isheep_worker.text.parsing import ParsedTask, parse_completion

WELL_FORMED = (
    " Name two rivers.\n6. Input:\n<noinput>\n###\n"
    "7. Instruction: Shorten the text.\n7. Input:\nA long\n\ntext.\n###\n"
    "8. Instruction: Add the numbers.\n8. Input:\n1 and 2\n"
)


def tasks(text: str, *, cut: bool = False) -> list[tuple[str, str]]:
    parsed = parse_completion(text, first_number=6, cut=cut)
    return [(task.instruction, task.input) for task in parsed.tasks]


def test_the_expected_form_is_parsed() -> None:
    parsed = parse_completion(WELL_FORMED, first_number=6, cut=False)
    assert parsed.tasks == (
        ParsedTask(1, "Name two rivers.", ""),
        ParsedTask(2, "Shorten the text.", "A long\n\ntext."),
        ParsedTask(3, "Add the numbers.", "1 and 2"),
    )
    assert parsed.failures == {}


@pytest.mark.parametrize(
    ("text", "cut", "drop_last", "kept"),
    [
        (WELL_FORMED, False, "IfCut", 3),
        (WELL_FORMED, True, "IfCut", 2),
        (WELL_FORMED, False, "Always", 2),
        (WELL_FORMED + "###", True, "IfCut", 3),  # closed before the cut
        (WELL_FORMED + "###", True, "Always", 2),
        (WELL_FORMED + "###\n9. Instr", True, "IfCut", 3),
        (WELL_FORMED + "###\n9. Instruction: Na", True, "IfCut", 3),
    ],
)
def test_the_last_task_is_dropped_if_it_may_be_incomplete(
    text: str, cut: bool, drop_last: DropLast, kept: int
) -> None:
    parsed = parse_completion(text, first_number=6, cut=cut, drop_last=drop_last)
    assert len(parsed.tasks) == kept


@pytest.mark.parametrize(
    "text",
    [
        " One.\n6. Input:\nx\n7. Instruction: Two.\n7. Input:\ny",  # no ###
        " One.\n6. Input: x\n###\n7. Instruction: Two.\n7. Input: y",  # on the same line
        " One.\n6. Input:\nx ###\n7. Instruction: Two.\n7. Input:\ny###",
        " One.\n6. Input:\nx\n### 7. Instruction: Two.\n7. Input:\ny",
        " One.\nInput:\nx\n###\nInstruction: Two.\nInput:\ny",  # no numbers
        " One.\n6) input :\nx\n###\n7: INSTRUCTION: Two.\n7) Input:\ny",
        " One.\n**6. Input:**\nx\n###\n**7. Instruction:** Two.\n7. **Input**: y",
        " One.\n6. Input:\nx\n###\n1. Instruction: Two.\n1. Input:\ny",  # starts again
        " One.\n6. Input:\nx\n###\n7. Two.\n7. Input:\ny",  # the expected number, no label
        " One.\n6. Input:\nx\n6. Output:\nan answer\n###\n7. Instruction: Two.\n7. Input:\ny",
        " One.\r\n6. Input:\r\nx\r\n###\r\n7. Instruction: Two.\r\n7. Input:\r\ny\r\n",
    ],
)
def test_small_deviations_are_parsed(text: str) -> None:
    assert tasks(text) == [("One.", "x"), ("Two.", "y")]


@pytest.mark.parametrize(
    "mark",
    [
        "<noinput>",
        "<NoInput>",
        "",
        "  ",
        "<no input>",
        "[noinput]",
        "noinput",
        "\u200b",
        "\ufeff<noinput>",
    ],
)
def test_marks_for_an_absent_input_make_an_empty_input(mark: str) -> None:
    assert tasks(f" Name a bird.\n6. Input:\n{mark}\n###") == [("Name a bird.", "")]


@pytest.mark.parametrize("ending", ["", "\n6. Output:\nan answer", "\n###\n"])
def test_a_task_without_an_input_label_has_an_empty_input(ending: str) -> None:
    assert tasks(f" Name a bird.{ending}") == [("Name a bird.", "")]


@pytest.mark.parametrize(
    ("text", "failures"),
    [
        ("", {"parse-empty-instruction": 1}),
        ("\n6. Input:\nx", {"parse-empty-instruction": 1}),
        (" One.\n###\n7. Input:\nx", {"parse-empty-instruction": 1}),
        (" \u200b\u00ad\n6. Input:\nx", {"parse-empty-instruction": 1}),
        (" One.\n6. Input:\nx\n6. Input:\ny", {"parse-repeated-input": 1}),
        (" One.\n9. Input:\nx", {"parse-broken-numbering": 1}),
        (" One.\n###\nA:\n\nB:", {"parse-unlabelled": 1}),
        (" One.\n###\n9. Not due.", {"parse-unlabelled": 1}),
        (
            " One.\n###\n7. Instruction: Two.\n7. Input:\nx\n8. Input:\ny",
            {"parse-broken-numbering": 1},
        ),
    ],
)
def test_failures_are_counted_by_kind(text: str, failures: dict[str, int]) -> None:
    assert parse_completion(text, first_number=6, cut=False).failures == failures


def test_a_list_in_an_input_is_not_a_task() -> None:
    text = " Sort the list.\n6. Input:\n7. pears\n8. apples\n###"
    assert tasks(text) == [("Sort the list.", "7. pears\n8. apples")]


def test_a_markdown_heading_is_not_a_separator() -> None:
    assert tasks(" Shorten it.\n6. Input:\n### News\nText") == [("Shorten it.", "### News\nText")]


def test_half_surrogates_become_replacement_characters() -> None:
    assert tasks(" Name \ud83d two.") == [("Name \ufffd two.", "")]


FIELD = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="#:\r"), min_size=1)


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1), st.integers(1, 20))
def test_tasks_in_the_expected_form_are_read_back(
    fields: list[tuple[str, str]], first: int
) -> None:
    written = "\n###\n".join(
        f"{first + i}. Instruction: x{instruction}\n{first + i}. Input:\nx{task_input}"
        for i, (instruction, task_input) in enumerate(fields)
    )
    completion = written.removeprefix(f"{first}. Instruction:")
    parsed = parse_completion(completion, first_number=first, cut=False)
    assert [(task.instruction, task.input) for task in parsed.tasks] == [
        (f"x{instruction}".strip(), f"x{task_input}".strip()) for instruction, task_input in fields
    ]


@given(st.text(), st.booleans(), st.sampled_from(get_args(DropLast)))
def test_every_text_can_be_parsed(text: str, cut: bool, drop_last: DropLast) -> None:
    parsed = parse_completion(text, first_number=6, cut=cut, drop_last=drop_last)
    assert [task.position for task in parsed.tasks] == list(range(1, len(parsed.tasks) + 1))
    for task in parsed.tasks:
        assert task.instruction.strip()
        (task.instruction + task.input).encode("utf-8")


# Not a benchmark: a quadratic parser would take hours, which the usual timeout ends.
@pytest.mark.parametrize(
    "unit",
    ["a", " ", "\n", "#", "# ", "*", "6. ", "\n6. Input: x", "\n7. Instruction: x", "###\n", "\0"],
)
def test_a_text_of_a_megabyte_is_parsed_in_time(unit: str) -> None:
    parse_completion(unit * (1_000_000 // len(unit)), first_number=6, cut=True)
