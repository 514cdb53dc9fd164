"""The constraints that instructions state, on labelled instructions and beside lm-eval's checks.

labelled.jsonl has 201 instructions of our own writing. 92 state a constraint that IFEval can check.
The others state another constraint, or mention words, commas, letters or JSON without one. All were
labelled before the patterns ran on them. The patterns were made with IFEval's prompts, which are
not here.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isheep_worker.constraints.registry import CONSTRAINT_KINDS, stated_constraints
from isheep_worker.evaluation.harness import harness

LABELLED = Path(__file__).with_name("labelled.jsonl")
PRECISION, RECALL = 0.95, 0.7


def stated(instruction: str) -> dict[str, str]:
    return {one.kind: one.value for one in stated_constraints(instruction)}


def test_at_least_95_of_100_constraints_that_are_found_are_stated() -> None:
    right = found = wanted = 0
    for line in LABELLED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        labels = set(row["constraints"])
        names = {
            f"{one.kind} {one.value}".strip() for one in stated_constraints(row["instruction"])
        }
        right, found, wanted = right + len(names & labels), found + len(names), wanted + len(labels)
    assert right / found >= PRECISION
    assert right / wanted >= RECALL
    assert found >= 80


WORDS, BULLETS = "length_constraints:number_words", "detectable_format:number_bullet_lists"


@pytest.mark.parametrize(
    ("instruction", "constraints"),
    [
        ("Write a poem of at most 20 words.", {WORDS: "less than 21"}),
        ("Write a letter with more than 1,000 words.", {WORDS: "at least 1001"}),
        ("Write no less than a hundred words.", {WORDS: "at least 100"}),
        ("Give three bullet points.", {BULLETS: "exactly 3"}),
        ("Do not use the word “old”.", {"keywords:forbidden_words": "old"}),
        ('Use the word "old" once or less.', {}),
        ('Use "old" or "young".', {}),
        ("Write a word in capital letters.", {}),
        ("If it has at least 20 words, shorten it.", {}),
        ("", {}),
    ],
)
def test_a_constraint_has_its_kind_and_value(instruction: str, constraints: dict[str, str]) -> None:
    assert stated(instruction) == constraints


def test_each_kind_is_registered_once() -> None:
    names = [kind.name for kind in CONSTRAINT_KINDS]
    assert len(set(names)) == len(names)


INSTRUCTIONS = (
    ("Write at least 5 words.", {"relation": "at least", "num_words": 5}),
    ("Write less than 5 words.", {"relation": "less than", "num_words": 5}),
    ("Give exactly 2 bullet points.", {"num_bullets": 2}),
    ("Answer in lowercase letters.", {}),
    ("Answer in capital letters.", {}),
    ("Use no commas.", {}),
    ('End with the phrase "The end."', {"end_phrase": "The end."}),
    ("Put your response in double quotation marks.", {}),
    ("Answer in JSON.", {}),
    ('Include the word "end".', {"keywords": ["end"]}),
    ('Avoid the word "end".', {"forbidden_words": ["end"]}),
)
RESPONSES = (
    "",
    "The end.",
    '"A story, and then the end. "',
    "one two three four",
    "one two three four five",
    "* one\n* two",
    "- one\n * two\n- three\n**bold**",
    "the whole answer of this man is written in small letters, until the end",
    "THE WHOLE ANSWER OF THIS MAN IS WRITTEN IN LARGE LETTERS",
    '{"a": 1}',
    '```json\n{"a": [1, 2]}\n```',
    "bending",
)


@pytest.mark.long
@pytest.mark.parametrize(("instruction", "values"), INSTRUCTIONS)
def test_the_checks_agree_with_those_of_lm_eval(
    instruction: str, values: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the language of texts in one case is different: IFEval wants English."""
    (found,) = stated_constraints(instruction)
    with harness():
        from lm_eval.tasks.ifeval.instructions_registry import INSTRUCTION_DICT

        monkeypatch.setattr("langdetect.detect", lambda _text: "en")
        checker = INSTRUCTION_DICT[found.kind](found.kind)
        checker.build_description(**values)
        for response in RESPONSES:
            assert found.is_satisfied(response) == checker.check_following(response), response
