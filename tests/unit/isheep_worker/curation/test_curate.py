"""Curation: a fold in canonical order, independent of the order of arrival and of rounds."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep_worker.curation.curate import Criteria, CuratedRound, curate_round
from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.rows.row_ids import instruction_id
from isheep_worker.rows.schema import (
    INSTRUCTIONS,
    PAIRS,
    WHOLE_TASKS,
    CompletionRow,
    InstructionRow,
)
from isheep_worker.rules.sets import rule_set
from isheep_worker.task_lists.registry import task_list

SEEDS = ["Name a bird that cannot fly."]
CRITERIA = Criteria(
    iteration=2,
    count=100,
    exemplars=5,
    rules=rule_set("ISheep", "en").instruction_rules,
    max_rouge_l=0.7,
)


def completion(
    number: int, *tasks: str, round_number: int = 1, finish_reason: str = "stop"
) -> CompletionRow:
    blocks = [f"{6 + i}. Instruction: {task}\n{6 + i}. Input:\n" for i, task in enumerate(tasks)]
    text = "###\n".join(blocks).removeprefix("6. Instruction:")
    return CompletionRow(round_number, number, text, finish_reason, 100, 50)


def drops(curated: CuratedRound) -> dict[str, int]:
    return {rule: count.count for rule, count in curated.drops.by_rule().items()}


def test_each_task_is_accepted_dropped_or_beyond_the_count() -> None:
    decontaminator = Decontaminator()
    decontaminator.add_benchmark("mmlu", ["Which of these four planets is nearest to the sun?"])
    curated = curate_round(
        replace(CRITERIA, count=3, decontaminator=decontaminator),
        [
            completion(0, "Name a river in Asia.", "Too short.", "Draw a house with a garden."),
            completion(
                1,
                "Name a bird that cannot swim.",
                "Which of these four planets is nearest to the sun?",
                "Count the letters of this word.",
                "List two rivers in Africa",
                finish_reason="length",
            ),
            completion(2, "Explain why leaves turn red.", "Invent a name for a boat."),
        ],
        pool=SEEDS,
    )
    assert [(row.id, row.instruction) for row in curated.accepted] == [
        ("i2-r1-c00000-p1", "Name a river in Asia."),
        ("i2-r1-c00001-p3", "Count the letters of this word."),
        ("i2-r1-c00002-p1", "Explain why leaves turn red."),
    ]
    assert drops(curated) == {"length": 1, "blacklist": 1, "rouge-l": 1, "contamination": 1}
    assert curated.drops.by_rule()["rouge-l"].examples[0].detail == (
        "0.833, above 0.7, to: Name a bird that cannot fly."
    )
    assert curated.parse_failures == {"parse-cut": 1}
    assert (curated.completions, curated.parsed, curated.beyond_count) == (3, 8, 1)
    assert curated.newly_accepted == 3


def test_a_row_contains_the_input_and_the_place_of_the_task() -> None:
    row = CompletionRow(3, 12, " Add the numbers given.\n6. Input:\n1 and 2\n###", "stop", 9, 9)
    curated = curate_round(CRITERIA, [row], pool=[])
    assert curated.accepted == (
        InstructionRow("i2-r3-c00012-p1", "Add the numbers given.", "1 and 2", 3, 12, 1),
    )


def test_contamination_of_the_input_is_found() -> None:
    decontaminator = Decontaminator(4)
    decontaminator.add_benchmark("arc", ["iron rusts in wet air"])
    text = " Say whether it is true.\n6. Input:\nOld iron rusts in wet air.\n###"
    curated = curate_round(
        replace(CRITERIA, decontaminator=decontaminator),
        [CompletionRow(1, 0, text, "stop", 9, 9)],
        pool=[],
    )
    assert drops(curated) == {"contamination": 1}


def test_a_dropped_task_does_not_cause_the_drop_of_a_similar_good_one() -> None:
    tasks = ("Describe the map of the old town.", "Describe the maze of the old town.")
    curated = curate_round(CRITERIA, [completion(0, *tasks)], pool=[])
    assert [row.instruction for row in curated.accepted] == [tasks[1]]


def test_the_last_task_is_always_dropped_if_the_settings_say_so() -> None:
    curated = curate_round(
        replace(CRITERIA, drop_last="Always"),
        [completion(0, "Name a river in Asia.", "Explain why leaves turn red.")],
        pool=[],
    )
    assert [row.instruction for row in curated.accepted] == ["Name a river in Asia."]


def test_a_round_without_completions_accepts_nothing() -> None:
    curated = curate_round(CRITERIA, [], pool=SEEDS)
    assert (curated.accepted, curated.completions, curated.parsed) == ((), 0, 0)


def test_a_round_of_duplicates_accepts_nothing() -> None:
    same = [completion(n, "Name a bird that cannot fly.") for n in range(50)]
    curated = curate_round(CRITERIA, same, pool=SEEDS)
    assert drops(curated) == {"rouge-l": 50}


def test_a_repeated_or_late_completion_is_refused() -> None:
    one = completion(4, "Name a river in Asia.")
    with pytest.raises(ValueError, match="completion 4 of round 1 appears twice"):
        curate_round(CRITERIA, [one, one], pool=[])
    previous = curate_round(CRITERIA, [one], pool=[]).accepted
    with pytest.raises(ValueError, match=r"completion 3 of round 1 .* was curated"):
        curate_round(CRITERIA, [replace(one, completion=3)], pool=[], previous=previous)


def test_hostile_completions_are_counted_and_every_row_can_be_encoded() -> None:
    hostile = [
        "x" * 1_000_000,
        " word" * 200_000,
        " Name a \x1b[31mred\x1b[0m bird.",
        " Name a\x00 small bird.",
        " Name a \ud800 small bird.",
        " Name a \u202e small bird.",
        " Say <b>this</b> in plain words <|im_start|>user",
        " [INST] [INST] name a bird [/INST]",
        "\n" * 100_000,
        "###" * 100_000,
        "6. Instruction: " * 50_000,
    ]
    rows = [CompletionRow(1, n, text, "stop", 1, 1) for n, text in enumerate(hostile)]
    curated = curate_round(CRITERIA, rows, pool=SEEDS)
    assert curated.accepted == ()
    assert curated.parsed == curated.drops.total > 0
    assert sum(curated.parse_failures.values()) > 0
    without_rules = curate_round(replace(CRITERIA, rules=()), rows, pool=SEEDS)
    for row in without_rules.accepted:
        assert INSTRUCTIONS.decode(INSTRUCTIONS.encode(row)) == row


WORD = st.sampled_from(
    ["name", "count", "list", "rivers", "birds", "words", "of", "the", "in", "a"]
)
TASK = st.lists(WORD, min_size=3, max_size=7).map(" ".join)
COMPLETIONS = st.lists(st.lists(TASK, min_size=1, max_size=3), max_size=8)
COUNT = st.integers(0, 12)


def rows(tasks: Sequence[Sequence[str]], round_number: int = 1) -> list[CompletionRow]:
    return [completion(n, *some, round_number=round_number) for n, some in enumerate(tasks)]


@given(COMPLETIONS, COUNT, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_arrival_does_not_change_the_result(
    tasks: list[list[str]], count: int, rng: random.Random
) -> None:
    criteria = replace(CRITERIA, count=count)
    arrived = rows(tasks)
    expected = curate_round(criteria, arrived, pool=SEEDS)
    rng.shuffle(arrived)
    curated = curate_round(criteria, iter(arrived), pool=SEEDS)
    assert curated.accepted == expected.accepted
    assert drops(curated) == drops(expected)


@given(COMPLETIONS, COMPLETIONS, COUNT)
@settings(max_examples=60)
def test_two_rounds_accept_the_same_rows_as_one_round_of_both(
    first: list[list[str]], second: list[list[str]], count: int
) -> None:
    criteria = replace(CRITERIA, count=count)
    one, two = rows(first, 1), rows(second, 2)
    at_once = curate_round(criteria, two + one, pool=SEEDS)
    before = curate_round(criteria, one, pool=SEEDS)
    after = curate_round(criteria, two, pool=SEEDS, previous=before.accepted)
    assert after.accepted == at_once.accepted
    assert after.accepted[: len(before.accepted)] == before.accepted  # no accepted row is removed
    assert after.newly_accepted == len(after.accepted) - len(before.accepted)
    for part in (before, after):
        assert part.parsed == part.newly_accepted + part.drops.total + part.beyond_count
    assert len(after.accepted) <= count


@given(COMPLETIONS, COUNT)
@settings(max_examples=40)
def test_a_higher_count_only_adds_rows_at_the_end(tasks: list[list[str]], count: int) -> None:
    fewer = curate_round(replace(CRITERIA, count=count), rows(tasks), pool=SEEDS)
    more = curate_round(CRITERIA, rows(tasks), pool=SEEDS)
    assert fewer.accepted == more.accepted[:count]


def test_an_id_contains_iteration_round_completion_and_position() -> None:
    assert instruction_id(2, 1, 12, 3) == "i2-r1-c00012-p3"
    assert instruction_id(1, 3, 123456, 1) == "i1-r3-c123456-p1"


def test_tasks_with_outputs_can_be_read_as_pairs() -> None:
    criteria = replace(CRITERIA, task_list=task_list("Alpaca"), count=2)
    text = " Name a river.\n6. Output:\nThe Nile\nis one.\n###\n7. Instruction: Name a lake.\n###"
    more = " Name a small lake in Asia.\n6. Input: no sea\n6. Output: Baikal"
    first = curate_round(criteria, [CompletionRow(1, 0, text, "stop", 9, 9)], pool=SEEDS)
    assert first.parse_failures == {"parse-missing-output": 1}
    assert drops(first) == {"length": 1}
    second = curate_round(
        criteria, [CompletionRow(2, 0, more, "stop", 9, 9)], pool=SEEDS, previous=first.accepted
    )
    (row,) = second.accepted
    line = WHOLE_TASKS.encode(row)
    assert WHOLE_TASKS.decode(line) == row
    pair = PAIRS.decode(line)
    assert (pair.id, pair.instruction, pair.input, pair.response) == (
        "i2-r2-c00000-p1",
        "Name a small lake in Asia.",
        "no sea",
        "Baikal",
    )
    assert INSTRUCTIONS.decode(line).instruction == pair.instruction
    # The row of a task without an output has no field for a response.
    (plain,) = curate_round(CRITERIA, [completion(0, "Name a river in Asia.")], pool=SEEDS).accepted
    assert b"response" not in INSTRUCTIONS.encode(plain)
