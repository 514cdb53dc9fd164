"""A judgement in the store: the questions, the judge's template, and the requests to each M(t).

It is a benchmark whose items are questions, so the stage that answers benchmarks answers it too,
and all runs of a namespace with the same model and the same judgement share the answers of M(0).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from isheep.contract.choices import PromptFormat
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.requests import Generation, RenderedRequest
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.evaluation.stored import get_benchmark, get_files, put_benchmark
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.judging.questions import (
    Question,
    drawn_questions,
    dump_questions,
    load_questions,
)
from isheep_worker.templates.library import FOR_WIN_RATES, TemplateLibrary
from isheep_worker.templates.prompting import dump_templates

TASK = "questions"
"""The name of the task in the ids of the requests and in the seeds of the answers."""
TEMPERATURE, TOP_P = 0.7, 0.95
"""The sampling of the answers, as on the yardstick, if the judgement has no other temperatures. The
digest of the requests contains it."""
_QUESTIONS, _TEMPLATES = "questions.jsonl", "templates.json"


@dataclass(frozen=True, slots=True)
class StoredJudgement:
    """What the store has of a judgement: all questions, those that are asked, and the templates."""

    questions: Sequence[Question]
    asked: Sequence[Question]
    library: TemplateLibrary


@dataclass(frozen=True, slots=True)
class JudgementSettings:
    """What the asked questions and their answers depend on, besides the file and the model."""

    limit: int | None
    max_tokens: int
    random_seed: int


def put_judgement(
    inputs: Inputs,
    settings: JudgementSettings,
    questions: Sequence[Question],
    library: TemplateLibrary,
    requests: Mapping[PromptFormat, Sequence[RenderedRequest]],
) -> str:
    """Write a judgement into the store; return the digest of its document."""
    files = {
        _QUESTIONS: dump_questions(questions),
        _TEMPLATES: dump_templates(library, FOR_WIN_RATES),
    }
    return put_benchmark(
        inputs,
        BenchmarkSettings(task=TASK, limit=settings.limit, random_seed=settings.random_seed),
        TaskFiles(TASK, files),
        requests,
        _texts(questions),
    )


def get_judgement(inputs: Inputs, digest: str) -> StoredJudgement:
    """Return a judgement from the store."""
    stored = get_benchmark(inputs, digest)
    files = get_files(inputs, stored).files
    questions = load_questions(files[_QUESTIONS])
    return StoredJudgement(
        questions,
        drawn_questions(questions, stored.settings.limit),
        TemplateLibrary(json.loads(files[_TEMPLATES])),
    )


def question_requests(
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    stop_token_ids: Sequence[int],
    temperatures: Sequence[float] | None = None,
) -> list[RenderedRequest]:
    """Return the requests for answers to questions.

    Args:
        prompts: The token ids of the prompt of each question, in order.
        max_tokens: The maximum length of an answer, in tokens.
        stop_token_ids: The tokens that end an answer.
        temperatures: The temperature of each question; None means `TEMPERATURE` for all.
    """
    used = temperatures or [TEMPERATURE] * len(prompts)
    return [
        RenderedRequest(
            task=TASK,
            doc=number,
            number=0,
            repeat=0,
            work=Generation(
                prompt=tuple(prompt),
                max_tokens=max_tokens,
                temperature=temperature,
                top_p=TOP_P,
                stop=(),
                stop_token_ids=tuple(stop_token_ids),
            ),
        )
        for number, (prompt, temperature) in enumerate(zip(prompts, used, strict=True))
    ]


def _texts(questions: Sequence[Question]) -> Iterator[str]:
    for one in questions:
        yield f"{one.instruction}\n{one.input}".strip()
