"""A judgement with grades in the store: questions, templates, and how both turns are asked.

It is a benchmark whose items are questions. The requests of the first turn are token ids, as those
of every benchmark. A request of the second turn contains the model's own answer, so it cannot exist
before. The document has everything else that it depends on: the question, the templates of prompts,
and the texts of the chat template. Length, sampling and stop tokens are those of the first turn. So
the digest of the document determines the requests of both turns, up to the answers of the model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from isheep.contract.choices import PromptFormat
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.requests import Generation, RenderedRequest
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.evaluation.stored import (
    StoredBenchmark,
    get_benchmark,
    get_files,
    put_benchmark,
)
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.judging.document import TASK, JudgementSettings
from isheep_worker.judging.graded_questions import (
    GradedQuestion,
    drawn_graded,
    load_graded,
)
from isheep_worker.judging.questions import dump_questions
from isheep_worker.templates.library import FOR_GRADES, TemplateLibrary
from isheep_worker.templates.prompting import dump_templates
from isheep_worker.templates.response import CHAT, RAW

_QUESTIONS, _TEMPLATES, _SECOND_TURN = "questions.jsonl", "templates.json", "second-turn.json"
_LAYOUT = 1
"""The version of the layout of second turns in `templates.second_turn`; the digest contains it."""


@dataclass(frozen=True, slots=True)
class GradedJudgement:
    """What the store has of a judgement with grades.

    `chat_texts` are the texts of the chat template around the messages of a second turn, none if no
    question has one.
    """

    questions: Sequence[GradedQuestion]
    asked: Sequence[GradedQuestion]
    library: TemplateLibrary
    chat_texts: tuple[str, ...]


def put_graded(
    inputs: Inputs,
    settings: JudgementSettings,
    judgement: GradedJudgement,
    requests: Mapping[PromptFormat, Sequence[RenderedRequest]],
) -> str:
    """Write a judgement into the store; return the digest of its document.

    `requests` has the requests of the first turn of each question that is asked.
    """
    second_turn = {"layout": _LAYOUT, "chat": judgement.chat_texts}
    files = {
        _QUESTIONS: dump_questions(judgement.questions),
        _TEMPLATES: dump_templates(judgement.library, FOR_GRADES | {RAW, CHAT}),
        _SECOND_TURN: json.dumps(second_turn, sort_keys=True).encode(),
    }
    return put_benchmark(
        inputs,
        BenchmarkSettings(task=TASK, limit=settings.limit, random_seed=settings.random_seed),
        TaskFiles(TASK, files),
        requests,
        _texts(judgement.questions),
    )


def has_turns(stored: StoredBenchmark) -> bool:
    """Return whether a stored benchmark is a judgement with grades."""
    return _SECOND_TURN in stored.data


def get_graded(inputs: Inputs, digest: str) -> GradedJudgement:
    """Return a judgement from the store."""
    stored = get_benchmark(inputs, digest)
    files = get_files(inputs, stored).files
    questions = load_graded(files[_QUESTIONS])
    return GradedJudgement(
        questions,
        drawn_graded(questions, stored.settings.limit),
        TemplateLibrary(json.loads(files[_TEMPLATES])),
        tuple(json.loads(files[_SECOND_TURN])["chat"]),
    )


def second_turn_request(first: RenderedRequest, prompt: Sequence[int]) -> RenderedRequest:
    """Return the request of the second turn of a question.

    Args:
        first: The request of its first turn.
        prompt: The token ids of the prompt of the second turn.
    """
    if not isinstance(first.work, Generation):
        raise TypeError(f"{first.id}: the request of a question generates a text")
    return replace(first, number=first.number + 1, work=replace(first.work, prompt=tuple(prompt)))


def _texts(questions: Sequence[GradedQuestion]) -> Iterator[str]:
    for one in questions:
        first, *later = one.turns
        yield f"{first}\n{one.input}".strip()
        yield from later
