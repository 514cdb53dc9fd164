"""A judgement with grades: its questions and the requests of both turns, before a GPU is requested.

The requests of second turns contain answers that do not exist yet. So prepare stores what they are
made from, and computes the longest one: a prompt with an empty answer, and the most tokens that an
answer can have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from isheep.api.evaluation import Judgement
from isheep.contract.choices import PromptFormat
from isheep_worker.evaluation.requests import RenderedRequest
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.judging.document import TEMPERATURE, JudgementSettings, question_requests
from isheep_worker.judging.graded_document import GradedJudgement, put_graded
from isheep_worker.judging.graded_questions import GradedQuestion, drawn_graded
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.templates.chat import ChatFormatError
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import LongestQuestion
from isheep_worker.templates.prompting import Prompting, task_prompt
from isheep_worker.templates.second_turn import FirstTurn, SecondTurns, second_turn_texts

_SHOWN_CATEGORIES = 20


@dataclass(frozen=True, slots=True)
class PreparedGrades:
    """A judgement in the store, and its longest question as the judge gets it.

    `asked` is the number of questions, and `length` what a model needs for the longest turn.
    """

    digest: str
    asked: int
    length: int
    longest: LongestQuestion


def prepare_grades(
    inputs: Inputs,
    judgement: Judgement,
    settings: JudgementSettings,
    questions: Sequence[GradedQuestion],
    formats: Sequence[PromptFormat],
    *,
    library: TemplateLibrary,
    prompting: Prompting,
    folder: Path,
) -> PreparedGrades:
    """Store the questions and the requests of a judgement.

    Args:
        inputs: The store's inputs.
        judgement: The judgement of the spec.
        settings: What questions and answers depend on, besides the file and the model.
        questions: The questions of its file.
        formats: The prompt formats in which models answer.
        library: The templates of the judgement.
        prompting: The chat format of the run's model, and the renderer of its prompts.
        folder: The files of its tokenizer.

    Raises:
        BadInputError: The chat template has no second turns, or no question has a category that has
            a temperature.
    """
    _check_categories(judgement, questions)
    asked = drawn_graded(questions, judgement.limit)
    several = any(len(one.turns) > 1 for one in asked)
    chat_texts = _chat_texts(prompting, folder) if several and "Chat" in formats else ()
    stored = GradedJudgement(questions, asked, library, chat_texts)
    requests = {one: _requests(one, judgement, asked, library, prompting) for one in formats}
    lengths = (
        length
        for prompt_format in formats
        for length in _lengths(prompt_format, judgement, stored, prompting)
    )
    return PreparedGrades(
        put_graded(inputs, settings, stored, requests),
        len(asked),
        max(lengths),
        _longest(judgement, asked),
    )


def _chat_texts(prompting: Prompting, folder: Path) -> tuple[str, ...]:
    from transformers import AutoTokenizer  # noqa: PLC0415 (heavy)

    tokenizer = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    try:
        return second_turn_texts(tokenizer, prompting.chat_format)
    except ChatFormatError as error:
        raise BadInputError(str(error)) from error


def _requests(
    prompt_format: PromptFormat,
    judgement: Judgement,
    asked: Sequence[GradedQuestion],
    library: TemplateLibrary,
    prompting: Prompting,
) -> list[RenderedRequest]:
    prompts = [
        task_prompt(library, prompting.renderer, prompt_format, one.turns[0], one.input)
        for one in asked
    ]
    given = judgement.temperatures or {}
    temperatures = [float(given.get(one.category, TEMPERATURE)) for one in asked]
    stops = prompting.chat_format.stop_token_ids
    return question_requests(prompts, judgement.max_tokens, stops, temperatures)


def _check_categories(judgement: Judgement, questions: Sequence[GradedQuestion]) -> None:
    """Raise `BadInputError` if a category has a temperature and no question has it."""
    known = sorted({one.category for one in questions if one.category})
    unknown = sorted(set(judgement.temperatures or {}) - set(known))
    if unknown:
        raise BadInputError(
            f"temperatures has the category {unknown[0]!r}, which no question has: correct it; the "
            f"categories of the file are {', '.join(known[:_SHOWN_CATEGORIES]) or 'none'}"
        )


def _lengths(
    prompt_format: PromptFormat,
    judgement: Judgement,
    stored: GradedJudgement,
    prompting: Prompting,
) -> Iterator[int]:
    """Yield what the last turn of each question needs, in tokens."""
    library, renderer = stored.library, prompting.renderer
    later = SecondTurns(library, renderer, prompt_format, stored.chat_texts)
    for one in stored.asked:
        if len(one.turns) == 1:
            prompt = task_prompt(library, renderer, prompt_format, one.turns[0], one.input)
        else:
            prompt = later.prompt(FirstTurn(one.turns[0], one.input, ""), one.turns[1])
        yield len(prompt) + len(one.turns) * judgement.max_tokens


def _longest(judgement: Judgement, asked: Sequence[GradedQuestion]) -> LongestQuestion:
    """Return the question with the most bytes, with as many turns as any question has."""

    def size(one: GradedQuestion) -> int:
        return len("".join((*one.turns, one.input, *one.references)).encode())

    longest = max(asked, key=size)
    missing = max(len(one.turns) for one in asked) - len(longest.turns)
    return LongestQuestion(
        spec_field=f"evaluation.judgements[{judgement.name}]",
        instruction=longest.turns[0],
        input=longest.input,
        output="",
        generated=judgement.max_tokens * (len(longest.turns) + missing),
        later=(*longest.turns[1:], *[""] * missing),
        references=(*longest.references, *[""] * missing),
    )
