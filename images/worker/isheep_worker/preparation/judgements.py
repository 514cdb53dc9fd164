"""The judgements of an evaluation: their questions and all requests, before a GPU is requested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from isheep.api.evaluation import Judgement
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import PromptFormat
from isheep.contract.prepared import PreparedBenchmark
from isheep.recipes.builders.benchmarks import base_formats
from isheep_worker.evaluation.requests import RenderedRequest, longest_length
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.judging.document import JudgementSettings, put_judgement, question_requests
from isheep_worker.judging.questions import Question, drawn_questions
from isheep_worker.preparation.evaluation import DEFAULT_LENGTH
from isheep_worker.preparation.graded_judgements import PreparedGrades, prepare_grades
from isheep_worker.preparation.input_texts import InputTexts
from isheep_worker.preparation.model import LENGTH_STEP
from isheep_worker.preparation.prompt_formats import in_both_formats
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import LongestQuestion
from isheep_worker.templates.prompting import Prompting, task_prompt


@dataclass(frozen=True, slots=True)
class PreparedJudgement:
    """A prepared judgement, and its longest question as the judge gets it."""

    reference: PreparedBenchmark
    longest: LongestQuestion


def prepare_judgements(
    spec: SelfAlignmentRunSpec,
    texts: InputTexts,
    inputs: Inputs,
    *,
    library: TemplateLibrary,
    prompting: Prompting,
    folder: Path,
    own_length: int | None,
) -> dict[str, PreparedJudgement]:
    """Store the questions and the requests of all judgements; return the judgements by name.

    Args:
        spec: The run.
        texts: The reader of the questions.
        inputs: The store's inputs.
        library: The run's templates.
        prompting: The chat format of the run's model, and the renderer of its prompts.
        folder: The files of its tokenizer.
        own_length: The longest text that the model was made for, in tokens, None if unknown.

    Raises:
        BadInputError: A judgement cannot be made; the message has its name and the remedy.
        SourceUnreachableError: The questions cannot be read now.
    """
    evaluation = spec.evaluation
    if evaluation is None:
        return {}
    length = spec.engine.vllm.max_model_length or own_length or DEFAULT_LENGTH
    given = _Given(texts, inputs, library, prompting, folder, length)
    found: dict[str, PreparedJudgement] = {}
    for judgement in evaluation.judgements or ():
        settings = JudgementSettings(judgement.limit, judgement.max_tokens, evaluation.random_seed)
        formats = base_formats(spec, judgement)
        prepare = _win_rate if judgement.kind == "WinRate" else _grades
        try:
            found[judgement.name] = prepare(judgement, settings, formats, given)
        except BadInputError as error:
            raise BadInputError(f"evaluation.judgements[{judgement.name}]: {error}") from error
    return found


@dataclass(frozen=True, slots=True)
class _Given:
    """What all judgements are prepared from; `length` is that of the run's model, in tokens."""

    texts: InputTexts
    inputs: Inputs
    library: TemplateLibrary
    prompting: Prompting
    folder: Path
    length: int


def _win_rate(
    judgement: Judgement,
    settings: JudgementSettings,
    formats: Sequence[PromptFormat],
    given: _Given,
) -> PreparedJudgement:
    questions, judging = given.texts.judgement(judgement.name, given.library)
    _check_outputs(judgement, questions)

    def prepare(some: Sequence[PromptFormat]) -> PreparedBenchmark:
        requests = {
            one: _requests(one, judgement, questions, given.library, given.prompting)
            for one in some
        }
        longest = max(map(longest_length, requests.values()))
        _check_length(judgement, longest, given.length)
        return PreparedBenchmark(
            digest=put_judgement(given.inputs, settings, questions, judging, requests),
            requests={name: len(requests[name]) for name in formats},
            length=_rounded(longest, given),
        )

    reference = in_both_formats(formats, given.texts.pinned_formats(judgement.name), prepare)
    return PreparedJudgement(reference, _longest(judgement, questions))


def _grades(
    judgement: Judgement,
    settings: JudgementSettings,
    formats: Sequence[PromptFormat],
    given: _Given,
) -> PreparedJudgement:
    questions, library = given.texts.graded(judgement.name, given.library)

    def prepare(some: Sequence[PromptFormat]) -> PreparedGrades:
        found = prepare_grades(
            given.inputs,
            judgement,
            settings,
            questions,
            some,
            library=library,
            prompting=given.prompting,
            folder=given.folder,
        )
        _check_length(judgement, found.length, given.length)
        return found

    found = in_both_formats(formats, given.texts.pinned_formats(judgement.name), prepare)
    reference = PreparedBenchmark(
        digest=found.digest,
        requests=dict.fromkeys(formats, found.asked),
        length=_rounded(found.length, given),
    )
    return PreparedJudgement(reference, found.longest)


def _rounded(needed: int, given: _Given) -> int:
    return min(-(-needed // LENGTH_STEP) * LENGTH_STEP, given.length)


def _longest(judgement: Judgement, questions: Sequence[Question]) -> LongestQuestion:
    """Return the question with the most bytes, with all texts of the user that the judge sees."""
    has_output = judgement.against == "Outputs"

    def size(one: Question) -> int:
        shown = (one.instruction, one.input, one.output if has_output else "")
        return len("".join(shown).encode())

    asked = drawn_questions(questions, judgement.limit)
    longest = max(asked, key=size)
    return LongestQuestion(
        spec_field=f"evaluation.judgements[{judgement.name}]",
        instruction=longest.instruction,
        input=longest.input,
        output=longest.output if has_output else "",
        generated=judgement.max_tokens * (1 if has_output else 2),
    )


def _requests(
    prompt_format: PromptFormat,
    judgement: Judgement,
    questions: Sequence[Question],
    library: TemplateLibrary,
    prompting: Prompting,
) -> list[RenderedRequest]:
    prompts = [
        task_prompt(library, prompting.renderer, prompt_format, one.instruction, one.input)
        for one in drawn_questions(questions, judgement.limit)
    ]
    stops = prompting.chat_format.stop_token_ids
    return question_requests(prompts, judgement.max_tokens, stops)


def _check_outputs(judgement: Judgement, questions: Sequence[Question]) -> None:
    missing = [one.id for one in questions if not one.output]
    if judgement.against == "Outputs" and missing:
        raise BadInputError(
            f"against is Outputs, and {len(missing)} of {len(questions)} rows have no output, the "
            f"first one is {missing[0]!r}: add the column output, or set against to Base"
        )


def _check_length(judgement: Judgement, needed: int, length: int) -> None:
    if needed > length:
        what = "an answer" if judgement.kind == "WinRate" else "answers to all turns"
        raise BadInputError(
            f"the longest question needs {needed} tokens with {what} of {judgement.max_tokens}, "
            f"and the model has {length}: lower maxTokens, or leave out long questions"
        )
