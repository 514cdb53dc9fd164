"""The grades of answers by the judge of a run, part by part.

The stage reads the answers of M(t), and those of M(0) in one or two prompt formats. The judge
grades each answer alone (single-answer grading, Zheng et al. 2023, "Judging LLM-as-a-Judge with
MT-Bench and Chatbot Arena"). All grades of a question are requests of the same part, so a change of
the judge between stages cannot make one model look better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from isheep.contract.choices import PromptFormat
from isheep.recipes.evaluation_settings import JudgeSettings
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.endpoint_answers import endpoint_answer
from isheep_worker.execution.endpoint_inference import judge_of
from isheep_worker.execution.inference import (
    TextInference,
    commit_inference,
    fill_own_parts,
    item_count,
    token_statistics,
)
from isheep_worker.execution.parts import FilledPart, PartProgram, part_items
from isheep_worker.judging.grade_prompts import (
    FIRST_TURN,
    NO_ANSWER,
    SECOND_TURN,
    grade_prompt,
)
from isheep_worker.judging.graded_document import get_graded
from isheep_worker.judging.graded_questions import GradedQuestion
from isheep_worker.judging.pair_prompts import TOO_LONG, shown_answer
from isheep_worker.judging.read_grades import read_grade
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import ANSWERS, GRADES, GradeRow
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Known, LongestPrompt, LongestQuestion


@dataclass(frozen=True, slots=True)
class _Answered:
    """A question with the answers of one model.

    `base_format` is the prompt format of M(0), None for M(t). An answer is None if the model has
    none.
    """

    question: GradedQuestion
    base_format: PromptFormat | None
    answers: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class _Judge:
    """The model that grades, and the templates of the questions to it."""

    settings: JudgeSettings
    inference: TextInference
    library: TemplateLibrary

    def request(self, id_: str, one: _Answered, turn: int) -> Request | None:
        """Return the request for a grade, or None if there is no answer or no room for it."""
        answers = [answer for answer in one.answers[: turn + 1] if answer is not None]
        if len(answers) <= turn:
            return None
        text = grade_prompt(self.library, one.question, answers, turn)
        item = f"{one.question.id}/{one.base_format}/{turn}"
        seed = item_seed(self.settings.random_seed, "judge", item)
        return self.inference.text_request(id_, text, "Chat", seed, self.settings.sampling)


def grade_answers(context: StageContext[JudgeSettings]) -> StageOutcome:
    """Grade this worker's parts, and commit the stage if all its parts exist."""
    items = item_count(context)
    judgement = get_graded(context.inputs, context.settings.judgement)
    inference = judge_of(context)
    judge = _Judge(context.settings, inference, judgement.library)

    def program(part: int) -> PartProgram:
        questions = [judgement.asked[item] for item in part_items(part, items)]
        return _part(judge, dict(_answered(context, questions, part)), part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference)


def longest_grade_prompt(
    settings: JudgeSettings, longest: LongestQuestion, known: Known
) -> LongestPrompt:
    """Return the prompt with the longest question; the answers can be as long as they may be."""
    turns = (longest.instruction, *longest.later)
    question = GradedQuestion("", turns, longest.input, longest.references)
    last = len(turns) - 1
    return LongestPrompt(
        SECOND_TURN if last else FIRST_TURN,
        grade_prompt(known.library, question, [""] * len(turns), last),
        settings.sampling.max_tokens,
        field=longest.spec_field,
        generated=longest.generated,
    )


def _answered(
    context: StageContext[JudgeSettings], questions: Sequence[GradedQuestion], part: int
) -> Iterator[tuple[str, _Answered]]:
    """Yield the answers of each model to each question of a part, those of M(t) first.

    Each of them has the numbers of the model and of the question in the part as its name.
    """
    inputs = context.step.inputs
    formats = (None, *(context.settings.base_formats or ()))
    keys = (*inputs["answers"], *inputs["base"])
    for model, (base_format, key) in enumerate(zip(formats, keys, strict=True)):
        rows = map(ANSWERS.decode, context.artifacts.read_part(key, part))
        for n, (question, row) in enumerate(zip(questions, rows, strict=True)):
            shown = [None if one is None else shown_answer(one) for one in row.answers]
            yield f"{model}/{n}", _Answered(question, base_format, shown)


def _part(judge: _Judge, answered: Mapping[str, _Answered], part: int) -> PartProgram:
    turns = [(name, turn) for name, one in answered.items() for turn in range(len(one.answers))]
    completions = yield [
        request
        for name, turn in turns
        if (request := judge.request(f"{part}/{turn}/{name}", answered[name], turn))
    ]
    found = {completion.id: completion for completion in completions}
    rows = [_row(answered[name], turn, found.get(f"{part}/{turn}/{name}")) for name, turn in turns]
    statistics = {
        "items": len({one.question.id for one in answered.values()}),
        "grades": len(rows),
        "unreadableFirstTurn": _unreadable(rows, 1),
        "unreadableSecondTurn": _unreadable(rows, 2),
        **token_statistics(completions),
    }
    return FilledPart([GRADES.encode(row) for row in rows], statistics)


def _unreadable(rows: Sequence[GradeRow], turn: int) -> int:
    return sum(row.grade is None for row in rows if row.turn == turn)


def _row(one: _Answered, turn: int, completion: Completion | None) -> GradeRow:
    answer = one.answers[turn]
    grade: int | None = None
    failure: str | None = NO_ANSWER if answer is None else TOO_LONG
    if completion is not None:
        read = read_grade(completion.text, complete=completion.finish_reason != "length")
        grade, failure = read.grade, read.failure
    return GradeRow(
        id=one.question.id,
        turn=turn + 1,
        base_format=one.base_format,
        grade=grade,
        characters=len(answer or ""),
        category=one.question.category,
        failure=failure,
        raw="" if completion is None else completion.text,
        answer=endpoint_answer(completion),
    )
