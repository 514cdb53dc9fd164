"""judge: the judge of the run compares the answers of M(t) with other answers, in both orders.

With the kind Grades, it grades the answers of M(t) and of M(0) alone (`execution.grading`).

The questions are those of a judgement, which prepare has stored, and the answers are outputs of
evaluate stages. Both judgements of a pair of answers are requests of the same stage, so a change of
the judge between stages cannot make one model look better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from isheep.recipes.evaluation_settings import JudgeSettings
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.endpoint_answers import endpoint_answer
from isheep_worker.execution.endpoint_inference import judge_of
from isheep_worker.execution.grading import grade_answers, longest_grade_prompt
from isheep_worker.execution.inference import (
    TextInference,
    commit_inference,
    fill_own_parts,
    item_count,
    token_statistics,
)
from isheep_worker.execution.parts import FilledPart, PartProgram, part_items
from isheep_worker.judging.document import get_judgement
from isheep_worker.judging.pair_prompts import (
    TEMPLATE,
    TOO_LONG,
    pair_prompt,
    preference,
    shown_answer,
)
from isheep_worker.judging.questions import Question
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import OUTPUTS, PREFERENCES, PreferenceRow
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Known, LongestPrompt


@dataclass(frozen=True, slots=True)
class _Pair:
    """A question with the answer of M(t) and the answer that it is compared with."""

    question: Question
    answer: str
    other: str


@dataclass(frozen=True, slots=True)
class _Judge:
    """The model that judges, and the template of the question to it."""

    settings: JudgeSettings
    inference: TextInference
    library: TemplateLibrary

    def request(self, id_: str, pair: _Pair, *, first: bool) -> Request | None:
        """Return the request for a judgement, or None if its prompt is too long for the judge."""
        text = pair_prompt(self.library, pair.question, pair.answer, pair.other, first=first)
        item = f"{pair.question.id}/{'first' if first else 'second'}"
        seed = item_seed(self.settings.random_seed, "judge", item)
        return self.inference.text_request(id_, text, "Chat", seed, self.settings.sampling)


def run(context: StageContext[JudgeSettings]) -> StageOutcome:
    """Judge this worker's parts, and commit the stage if all its parts exist."""
    settings = context.settings
    if settings.kind == "Grades":
        return grade_answers(context)
    items = item_count(context)
    judgement = get_judgement(context.inputs, settings.judgement)
    inference = judge_of(context)
    judge = _Judge(settings, inference, judgement.library)

    def program(part: int) -> PartProgram:
        questions = [judgement.asked[item] for item in part_items(part, items)]
        return _part(judge, _pairs(context, questions, part), part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference)


def longest_prompts(settings: JudgeSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the prompt with the longest question; the answers can be as long as they may be."""
    longest = known.questions.get(settings.judgement)
    if longest is None:
        return
    if settings.kind == "Grades":
        yield longest_grade_prompt(settings, longest, known)
        return
    question = Question("", longest.instruction, longest.input)
    text = pair_prompt(known.library, question, "", longest.output, first=True)
    yield LongestPrompt(
        TEMPLATE,
        text,
        settings.sampling.max_tokens,
        field=longest.spec_field,
        generated=longest.generated,
    )


def _pairs(
    context: StageContext[JudgeSettings], questions: Sequence[Question], part: int
) -> list[_Pair]:
    answers = _texts(context, "answers", part)
    if context.settings.outputs is None:
        others = _texts(context, "base", part)
    else:
        others = [one.output for one in questions]
    return [
        _Pair(question, shown_answer(answer), shown_answer(other))
        for question, answer, other in zip(questions, answers, others, strict=True)
    ]


def _texts(context: StageContext[JudgeSettings], role: str, part: int) -> list[str]:
    lines = context.artifacts.read_part(context.input_key(role), part)
    return [OUTPUTS.decode(line).text or "" for line in lines]


def _part(judge: _Judge, pairs: Sequence[_Pair], part: int) -> PartProgram:
    asked = [
        request
        for n, pair in enumerate(pairs)
        for first in (True, False)
        if (request := judge.request(f"{part}/{first}/{n}", pair, first=first))
    ]
    completions = yield asked
    found = {completion.id: completion for completion in completions}
    rows = [_row(pair, found, part, n) for n, pair in enumerate(pairs)]
    statistics = {
        "items": len(rows),
        "unreadableFirst": sum(row.first is None for row in rows),
        "unreadableSecond": sum(row.second is None for row in rows),
        **token_statistics(completions),
    }
    return FilledPart([PREFERENCES.encode(row) for row in rows], statistics)


def _row(pair: _Pair, found: Mapping[str, Completion], part: int, n: int) -> PreferenceRow:
    read, raw, answers = [], [], []
    for first in (True, False):
        completion = found.get(f"{part}/{first}/{n}")
        raw.append("" if completion is None else completion.text)
        answers.append(endpoint_answer(completion))
        read.append(_preference(completion, first))
    (one, one_failure), (two, two_failure) = read
    return PreferenceRow(
        id=pair.question.id,
        first=one,
        second=two,
        characters=len(pair.answer),
        other_characters=len(pair.other),
        first_failure=one_failure,
        second_failure=two_failure,
        difficulty=pair.question.difficulty,
        raw=(raw[0], raw[1]),
        answers=(answers[0], answers[1]) if any(answers) else None,
    )


def _preference(completion: Completion | None, first: bool) -> tuple[float | None, str | None]:
    if completion is None:
        return None, TOO_LONG
    complete = completion.finish_reason != "length"
    return preference(completion.text, first=first, complete=complete)
