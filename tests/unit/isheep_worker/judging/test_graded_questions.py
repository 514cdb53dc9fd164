"""Questions with turns: the forms of a row, references by turn, and messages with place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isheep_worker.judging.graded_questions import (
    GradedQuestion,
    drawn_graded,
    load_graded,
    read_graded_questions,
)
from isheep_worker.judging.questions import dump_questions
from isheep_worker.runtime.errors import BadInputError


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_rows_of_mt_bench_and_rows_with_a_task_are_read() -> None:
    data = lines(
        {
            "question_id": 111,
            "category": "math",
            "turns": ["What is 2 + 2?", " And twice that? "],
            "reference": ["4", "8"],
        },
        {"question_id": 81, "category": "writing", "turns": ["Write a poem.", "Shorten it."]},
        {"question_id": 131, "category": "", "turns": ["a", "b"], "reference": ["x", ""]},
        {"turns": ["a", "b"], "reference": ["x"]},
        {"instruction": "Sum up.", "input": "A text.", "reference": "A sum.", "output": "unread"},
        {"id": "c", "turns": ["One turn."], "reference": None},
    )
    assert read_graded_questions(data, "q.jsonl") == [
        GradedQuestion("111", ("What is 2 + 2?", "And twice that?"), "", ("4", "8"), "math"),
        GradedQuestion("81", ("Write a poem.", "Shorten it."), "", ("", ""), "writing"),
        GradedQuestion("131", ("a", "b"), "", ("x", "")),
        GradedQuestion("line-4", ("a", "b"), "", ("x", "")),
        GradedQuestion("line-5", ("Sum up.",), "A text.", ("A sum.",)),
        GradedQuestion("c", ("One turn.",), "", ("",)),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "q.jsonl: has no questions; write one JSON object a line"),
        ([{"turns": []}], "line 1: field 'turns' is"),
        ([{"turns": "a"}], "line 1: field 'turns' is"),
        ([{"turns": ["a", " "]}], "line 1: field 'turns[1]' is blank"),
        ([{"turns": ["a", 1]}], "line 1: field 'turns[1]' is a number; write it as a text"),
        ([{"turns": ["a", "b\ud800"]}], "line 1: field 'turns[1]' holds half of a surrogate pair"),
        ([{"turns": ["a"], "reference": "\ud800"}], "field 'reference' holds half of a surrogate"),
        ([{"turns": ["a"], "id": "\ud800"}], "field 'id' holds half of a surrogate pair"),
        ([{"turns": ["a", "b", "c"]}], "has 3 questions, and a judge grades at most 2: remove"),
        ([{"answer": "x"}], "line 1"),
        ([{"turns": ["a"], "reference": ["x", "y"]}], "field 'reference' has 2 texts, and the"),
        ([{"turns": ["a"], "reference": 4}], "field 'reference' is a number; write it as a text"),
        ([{"turns": ["a"], "category": ["x"]}], "field 'category' is a list; write it as a text"),
        (
            [{"id": 1, "turns": ["a"]}, {"id": "1", "turns": ["b"]}],
            "1 ids belong to several rows, the first one is '1'",
        ),
    ],
)
def test_bad_rows_are_refused_with_place_and_remedy(rows: list[Any], message: str) -> None:
    with pytest.raises(BadInputError) as error:
        read_graded_questions(lines(*rows), "q.jsonl")
    assert message in str(error.value)
    assert "q.jsonl" in str(error.value)


def test_a_second_turn_is_a_part_of_the_question_that_is_drawn() -> None:
    questions = [GradedQuestion(str(n), ("same", f"later {n}"), "", ("", "")) for n in range(20)]
    few, many = (drawn_graded(questions, limit) for limit in (5, 9))
    assert {one.id for one in few} < {one.id for one in many}
    assert [one.id for one in drawn_graded(questions[::-1], 5)] == [one.id for one in few][::-1]
    assert drawn_graded(questions, None) == questions


def test_stored_questions_are_those_that_were_read() -> None:
    questions = [
        GradedQuestion("1", ("é\u2028", "b"), "x", ("", "y"), "math"),
        GradedQuestion("2", ("b",), "", ("",)),
    ]
    assert load_graded(dump_questions(questions)) == questions
