"""The answers of a model to questions with one or two turns, part by part.

A part has two groups of requests. The second group asks the second turns, and each of its prompts
contains the model's own answer to the first turn. The engine works on the first turns of later
parts meanwhile, and a part is written when both turns of all its questions are answered. So the
stage keeps the answers of open parts only, and a worker that continues makes no answer of a stored
part again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from isheep.recipes.evaluation_settings import EvaluateSettings
from isheep_worker.engines.interface import Request
from isheep_worker.evaluation.requests import RenderedRequest, engine_requests, longest_length
from isheep_worker.evaluation.stored import get_benchmark, get_requests
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import (
    Inference,
    commit_inference,
    fill_own_parts,
    item_count,
    token_statistics,
)
from isheep_worker.execution.parts import FilledPart, PartProgram, part_items
from isheep_worker.judging.graded_document import get_graded, second_turn_request
from isheep_worker.judging.graded_questions import GradedQuestion
from isheep_worker.judging.pair_prompts import shown_answer
from isheep_worker.rows.schema import ANSWERS, AnswersRow
from isheep_worker.templates.second_turn import FirstTurn, SecondTurns


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the request of its first turn."""

    question: GradedQuestion
    request: RenderedRequest


@dataclass(frozen=True, slots=True)
class Later:
    """Makes the requests of second turns for a model of `length` tokens."""

    turns: SecondTurns
    length: int

    def request(self, asked: Asked, answer: str) -> RenderedRequest | None:
        """Return the request after an answer; None without a second turn, or if it does not fit."""
        question = asked.question
        if len(question.turns) == 1:
            return None
        first = FirstTurn(question.turns[0], question.input, shown_answer(answer))
        prompt = self.turns.prompt(first, question.turns[1])
        request = second_turn_request(asked.request, prompt)
        return request if longest_length([request]) <= self.length else None


def answer_turns(context: StageContext[EvaluateSettings], digest: str) -> StageOutcome:
    """Answer this worker's parts of a judgement, and commit the stage if all its parts exist."""
    settings = context.settings
    items = item_count(context)
    judgement = get_graded(context.inputs, digest)
    requests = get_requests(
        context.inputs, get_benchmark(context.inputs, digest), settings.prompt_format
    )
    asked = [Asked(*pair) for pair in zip(judgement.asked, requests, strict=True)]
    inference = Inference(context, settings.model)
    turns = SecondTurns(
        judgement.library, inference.renderer, settings.prompt_format, judgement.chat_texts
    )
    later = Later(turns, settings.model.max_model_length)

    def program(part: int) -> PartProgram:
        some = [asked[item] for item in part_items(part, items)]
        return turns_part(some, later, settings.random_seed, part)

    groups = max(len(one.question.turns) for one in asked)
    fill_own_parts(context, items, inference, program, groups)
    return commit_inference(context, items, inference)


def turns_part(asked: Sequence[Asked], later: Later, seed: int, part: int) -> PartProgram:
    """Return the program of a part: it asks the first turns, and then the second ones.

    Args:
        asked: The questions of the part.
        later: Makes the requests of the second turns.
        seed: The seed of the evaluation.
        part: The number of the part.
    """
    firsts = yield [_numbered(one.request, seed, part, n) for n, one in enumerate(asked)]
    requests = {
        n: _numbered(request, seed, part, n)
        for n, (one, first) in enumerate(zip(asked, firsts, strict=True))
        if (request := later.request(one, first.text)) is not None
    }
    seconds = yield list(requests.values())
    answered = dict(zip(requests, (completion.text for completion in seconds), strict=True))
    rows = [
        AnswersRow(one.question.id, _answers(one, first.text, answered.get(n)))
        for n, (one, first) in enumerate(zip(asked, firsts, strict=True))
    ]
    statistics = {
        "items": len(rows),
        "unansweredTurns": sum(None in row.answers for row in rows),
        **token_statistics([*firsts, *seconds]),
    }
    return FilledPart([ANSWERS.encode(row) for row in rows], statistics)


def _answers(asked: Asked, first: str, second: str | None) -> tuple[str | None, ...]:
    return (first, second)[: len(asked.question.turns)]


def _numbered(request: RenderedRequest, seed: int, part: int, n: int) -> Request:
    """Return the engine's request with the id of this stage: part, turn and item."""
    (one,) = engine_requests(request, seed)
    return replace(one, id=f"{part}/{request.number}/{n}")
