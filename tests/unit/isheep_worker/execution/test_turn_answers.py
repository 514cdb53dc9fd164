"""The program of a part of questions with turns: what the second group asks, and what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from tests.unit.isheep_worker.templates.chat_models import tokenizer_of

from isheep_worker.engines.interface import Completion, Request
from isheep_worker.evaluation.requests import engine_requests
from isheep_worker.execution.parts import FilledPart
from isheep_worker.execution.turn_answers import Asked, Later, turns_part
from isheep_worker.judging.document import question_requests
from isheep_worker.judging.graded_questions import GradedQuestion
from isheep_worker.rows.schema import ANSWERS, AnswersRow
from isheep_worker.templates.chat import PromptRenderer, resolve_chat_format
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.second_turn import SecondTurns, second_turn_texts

QUESTIONS = [
    GradedQuestion("two", ("Name a sea.", "And a lake?"), "a small one", ("", "")),
    GradedQuestion("one", ("Add 1 and 2.",), "", ("3",)),
    GradedQuestion("last", ("Name a bird.", "Why?"), "", ("", "")),
]


@cache
def turns(prompt_format: Any) -> SecondTurns:
    tokenizer = tokenizer_of("none, ByteLevel")
    chat_format = resolve_chat_format(tokenizer)
    texts = second_turn_texts(tokenizer, chat_format)
    renderer = PromptRenderer(tokenizer, chat_format)
    return SecondTurns(TemplateLibrary(), renderer, prompt_format, texts)


def run_part(
    answers: Sequence[Sequence[str]], length: int = 500, prompt_format: Any = "Chat"
) -> tuple[list[list[Request]], FilledPart]:
    """Run the program with the given answers; return its groups of requests and its result."""
    requests = question_requests([[5, n] for n in range(3)], 20, [2])
    asked = [Asked(*pair) for pair in zip(QUESTIONS, requests, strict=True)]
    program = turns_part(asked, Later(turns(prompt_format), length), seed=3, part=7)
    groups = [next(program)]
    try:
        for texts in answers:
            pairs = zip(groups[-1], texts, strict=True)
            groups.append(program.send([Completion(r.id, t, "stop", 5, 2) for r, t in pairs]))
    except StopIteration as end:
        return groups, end.value
    raise AssertionError("the program asks for a third group")


def rows(part: FilledPart) -> list[AnswersRow]:
    return [ANSWERS.decode(line) for line in part.lines]


@pytest.mark.parametrize("prompt_format", ["Chat", "Raw"])
def test_the_second_turn_shows_the_models_own_answer_without_its_thoughts(
    prompt_format: Any,
) -> None:
    first = ["<think>Which?</think>\nThe Baltic Sea. ", "3", "A crow."]
    groups, part = run_part([first, ["Lake Garda.", "I like it."]], prompt_format=prompt_format)
    assert [request.id for request in groups[0]] == ["7/0/0", "7/0/1", "7/0/2"]
    assert [request.id for request in groups[1]] == ["7/1/0", "7/1/2"]
    text = turns(prompt_format).renderer.decode(groups[1][0].prompt_token_ids)
    shown = ("Name a sea.", "a small one", "The Baltic Sea.", "And a lake?")
    places = [text.index(one) for one in shown]
    assert places == sorted(places)
    assert "Which?" not in text
    assert rows(part) == [
        AnswersRow("two", (first[0], "Lake Garda.")),
        AnswersRow("one", ("3",)),
        AnswersRow("last", ("A crow.", "I like it.")),
    ]
    assert (part.statistics["items"], part.statistics["tokens"]) == (3, 10)
    assert part.statistics["unansweredTurns"] == 0


def test_both_turns_have_the_same_settings_and_other_seeds() -> None:
    groups, _ = run_part([["a", "b", "c"], ["d", "e"]])
    first, second = groups[0][0], groups[1][0]
    for name in ("max_tokens", "temperature", "top_p", "stop", "stop_token_ids"):
        assert getattr(first, name) == getattr(second, name)
    seeds = [request.seed for group in groups for request in group]
    assert len(set(seeds)) == len(seeds)
    (alone,) = engine_requests(question_requests([[5, 0]], 20, [2])[0], 3)
    assert first.seed == alone.seed


def test_both_turns_of_a_question_have_the_temperature_of_the_question() -> None:
    requests = question_requests([[5, n] for n in range(3)], 20, [2], [0.0, 0.1, 0.7])
    asked = [Asked(*pair) for pair in zip(QUESTIONS, requests, strict=True)]
    program = turns_part(asked, Later(turns("Chat"), 500), seed=3, part=7)
    first = next(program)
    second = program.send([Completion(one.id, "a", "stop", 5, 2) for one in first])
    assert [one.temperature for one in first] == [0.0, 0.1, 0.7]
    assert [one.temperature for one in second] == [0.0, 0.7]


def test_a_second_turn_that_does_not_fit_has_no_answer_and_stops_nothing() -> None:
    groups, part = run_part([["word " * 400, "b", "c"], ["d"]], length=300)
    assert [request.id for request in groups[1]] == ["7/1/2"]
    assert [row.answers[1:] for row in rows(part)] == [(None,), (), ("d",)]
    assert part.statistics["unansweredTurns"] == 1
