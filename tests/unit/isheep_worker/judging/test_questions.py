"""Questions of a judgement: the forms of a row, and messages with place and remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isheep_worker.judging.questions import (
    Question,
    drawn_questions,
    dump_questions,
    load_questions,
    read_questions,
)
from isheep_worker.runtime.errors import BadInputError


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_questions_have_the_forms_of_public_files() -> None:
    data = lines(
        {"instruction": "Name a sea.", "output": "The Baltic Sea.", "difficulty": 2},
        {"question_id": 81, "category": "x", "turns": ["Write a poem."], "difficulty": 1.5},
        {"id": "c", "prompt": "Add 1 and 2.", "completion": "3", "difficulty": -1},
        {"instruction": "Sum up.", "input": "A long text.", "difficulty": 0},
    )
    assert read_questions(data, "q.jsonl") == [
        Question("line-1", "Name a sea.", "", "The Baltic Sea.", 2.0),
        Question("81", "Write a poem.", "", "", 1.5),
        Question("c", "Add 1 and 2.", "", "3", -1.0),
        Question("line-4", "Sum up.", "A long text.", "", 0.0),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "q.jsonl: has no questions; write one JSON object a line"),
        ([{"turns": ["a", "b"]}], "field 'turns' has 2 questions, and a win rate compares"),
        ([{"turns": []}], "field 'turns' is"),
        ([{"turns": "a"}], "field 'turns' is"),
        ([{"answer": "x"}], "line 1"),
        ([{"id": True, "instruction": "a"}], "field 'id' is not a text or a number"),
        ([{"instruction": "a", "difficulty": "hard"}], "field 'difficulty' is"),
        (
            [{"instruction": "a", "difficulty": 1}, {"instruction": "b"}],
            "1 of 2 rows have a difficulty; give it to all rows, or to none",
        ),
        (
            [{"id": 1, "instruction": "a"}, {"id": "1", "instruction": "b"}],
            "1 ids belong to several rows, the first one is '1'",
        ),
    ],
)
def test_bad_rows_are_refused_with_place_and_remedy(rows: list[Any], message: str) -> None:
    with pytest.raises(BadInputError) as error:
        read_questions(lines(*rows), "q.jsonl")
    assert message in str(error.value)
    assert "q.jsonl" in str(error.value)


def test_a_smaller_limit_draws_a_part_of_a_larger_one_in_any_order() -> None:
    questions = [Question(str(n), f"question {n}", "") for n in range(20)]
    few, many = (drawn_questions(questions, limit) for limit in (5, 9))
    assert {one.id for one in few} < {one.id for one in many}
    assert [one.id for one in drawn_questions(questions[::-1], 5)] == [one.id for one in few][::-1]
    assert drawn_questions(questions, None) == questions


def test_stored_questions_are_those_that_were_read() -> None:
    questions = [Question("1", "é\u2028", "x", "y", 0.5), Question("2", "b", "")]
    assert load_questions(dump_questions(questions)) == questions
