"""Numbered single lines: the expected form, deviations of models, and hostile texts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.contract.choices import DropLast
from isheep_worker.text.numbered_lines import parse_numbered_lines
from isheep_worker.text.parse_failures import ParseFailure
from isheep_worker.text.parsing import ParsedTask


def parse(text: str, *, cut: bool = False, drop_last: DropLast = "IfCut"):
    return parse_numbered_lines(text, first_number=3, cut=cut, drop_last=drop_last)


def items(text: str, *, cut: bool = False) -> list[str]:
    return [task.instruction for task in parse(text, cut=cut).tasks]


def test_the_expected_form_is_parsed() -> None:
    parsed = parse(" glaciers\n4. tax law\n5. jazz")
    assert parsed.tasks == (
        ParsedTask(1, "glaciers", ""),
        ParsedTask(2, "tax law", ""),
        ParsedTask(3, "jazz", ""),
    )
    assert parsed.failures == {}


@pytest.mark.parametrize(
    ("text", "expected", "failures"),
    [
        (" one\n\n4)  two \n", ["one", "two"], {}),
        (
            " one\n4. two\n1. other\n2. list\n5. three",
            ["one", "two", "three"],
            ["parse-broken-numbering"],
        ),
        (" one\n6. skipped\n4. two", ["one", "two"], ["parse-broken-numbering"]),
        (" one\nof a kind\n4. two\nand so on", ["one", "two"], ["parse-unlabelled"]),
        ("\n4. two", ["two"], ["parse-empty-instruction"]),
        (" one\n4.\n5. three", ["one", "three"], ["parse-empty-instruction"]),
        (" one\n4.5 percent", ["one"], ["parse-unlabelled"]),
        ("", [], ["parse-empty-instruction"]),
        (" a half \ud800 pair", ["a half \ufffd pair"], []),
        (" ٤. five\n٤. six", ["٤. five"], ["parse-unlabelled"]),
    ],
)
def test_lines_that_are_not_items_are_counted(
    text: str, expected: list[str], failures: list[str]
) -> None:
    assert items(text) == expected
    assert parse(text).failures == dict.fromkeys(failures, 1)


@pytest.mark.parametrize(
    ("text", "cut", "drop_last", "expected"),
    [
        (" one\n4. tw", True, "IfCut", ["one"]),
        (" one\n4. two", False, "IfCut", ["one", "two"]),
        (" one\n4. two\n", True, "IfCut", ["one", "two"]),  # the line is complete
        (" one\n4. two\n5. ", True, "IfCut", ["one", "two"]),
        (" on", True, "IfCut", []),
        (" one\n4. two", False, "Always", ["one"]),
        ("", False, "Always", []),
    ],
)
def test_the_last_item_is_dropped_if_it_may_be_incomplete(
    text: str, cut: bool, drop_last: DropLast, expected: list[str]
) -> None:
    parsed = parse(text, cut=cut, drop_last=drop_last)
    assert [task.instruction for task in parsed.tasks] == expected


@given(st.lists(st.from_regex(r"[a-z]{1,9}( [a-z]{1,9}){0,3}", fullmatch=True), min_size=1))
def test_items_in_the_expected_form_are_read_back(lines: list[str]) -> None:
    text = "\n".join(f"{3 + n}. {line}" for n, line in enumerate(lines)).removeprefix("3.")
    assert items(text) == lines


@given(
    st.text(alphabet=st.sampled_from("3456.) \n\t#a\ud800\u202e\x00")), st.booleans(), st.booleans()
)
def test_every_text_can_be_parsed_and_failures_have_known_kinds(
    text: str, cut: bool, always: bool
) -> None:
    drop_last = "Always" if always else "IfCut"
    parsed = parse(text, cut=cut, drop_last=drop_last)
    assert all(task.instruction and "\n" not in task.instruction for task in parsed.tasks)
    assert [task.position for task in parsed.tasks] == list(range(1, len(parsed.tasks) + 1))
    kinds = {
        ParseFailure.CUT,
        ParseFailure.BROKEN_NUMBERING,
        ParseFailure.UNLABELLED,
        ParseFailure.EMPTY_INSTRUCTION,
    }
    assert Counter(parsed.failures).keys() <= kinds
    assert all(count > 0 for count in parsed.failures.values())


@pytest.mark.parametrize(
    "text", ["a" * 10**6, "4." * 500_000, "\n" * 10**6, " \t" * 500_000, "4. \n" * 250_000]
)
def test_a_text_of_a_megabyte_is_parsed_in_time(text: str) -> None:
    assert len(parse(text).tasks) <= 2
