"""The prompts that ask for a score (I-SHEEP section 3.2, appendix).

There are three rubrics: Simple asks for a score, Combined adds criteria (verbosity, format,
ambiguity), and InContext shows three scored pairs (scores 6, 1 and 10). Each rubric has up to two
levels, quality and following, each with a separate prompt. The layout of a prompt is: constant
header, the pair, the question of the level. So all prompts share the header, and both levels of a
pair share everything except the last two lines. An engine with a prefix cache computes the long
part once.

The prompt of a sampled score ends with a line break, and the answer starts with the number. After
the line break the model expects a digit. After `Score:` it expects a space, so a forced digit would
be sampled from a thousandth of the distribution.

The prompt of an expected score asks for one of ten labels (`labels.py`) and contains the start of
the answer, up to the place of the label. In a chat, this is the start of the assistant's turn.
"""

from __future__ import annotations

from isheep.contract.choices import Decoding, Level, PromptFormat, Rubric
from isheep_worker.templates.chat import PromptRenderer
from isheep_worker.templates.labels import Encode, LabelSet
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.parsed_score import SEPARATOR

TEMPLATE_OF: dict[Rubric, str] = {
    "Simple": "assess-simple",
    "Combined": "assess-combined",
    "InContext": "assess-incontext",
}
EXPECTED_TEMPLATE_OF: dict[Rubric, str] = {
    "Simple": "score-simple",
    "Combined": "score-combined",
    "InContext": "score-incontext",
}

# Long enough for an explanation in one sentence, and short enough to be cheap.
EXPLANATION_CHARACTERS = 120
CONSTRAINED_ANSWER = rf"(10|[1-9])\|\|[^|\n][^\n]{{0,{EXPLANATION_CHARACTERS - 1}}}"
ANSWER_STOP = "\n"


def separator_of(library: TemplateLibrary, rubric: Rubric, decoding: Decoding) -> str | None:
    """Return the text that ends the score in an answer, or None if it can be a part of the answer.

    A run's own template can ask for another form, such as a reason before the score. A model that
    is not asked for the separator can write it in other text, such as the operator of a program.
    The separator then ends nothing.
    """
    asked = SEPARATOR in library.texts[TEMPLATE_OF[rubric]]
    return SEPARATOR if asked or decoding == "Constrained" else None


def assessment_prompt(
    library: TemplateLibrary,
    rubric: Rubric,
    level: Level,
    *,
    instruction: str,
    input_text: str,
    response: str,
) -> str:
    """Return the prompt for a sampled score of a pair on one level.

    Args:
        library: The run's templates.
        rubric: The rubric, which selects the template.
        level: The level of the question.
        instruction: The instruction of the pair.
        input_text: The input of the pair, or an empty text.
        response: The response of the pair.

    Returns:
        A raw prompt, or a user's message.
    """
    return library.render(
        TEMPLATE_OF[rubric],
        instruction=instruction.strip(),
        input=input_text.strip(),
        response=response.strip(),
        level=level,
    )


def label_prompt(
    library: TemplateLibrary,
    rubric: Rubric,
    level: Level,
    labels: LabelSet,
    *,
    instruction: str,
    input_text: str,
    response: str,
) -> str:
    """Return the prompt for an expected score of a pair on one level, up to the answer.

    Args:
        library: The run's templates.
        rubric: The rubric, which selects the template.
        level: The level of the question.
        labels: The set of labels that the prompt asks for.
        instruction: The instruction of the pair.
        input_text: The input of the pair, or an empty text.
        response: The response of the pair.

    Returns:
        A raw prompt, or a user's message.
    """
    return library.render(
        EXPECTED_TEMPLATE_OF[rubric],
        instruction=instruction.strip(),
        input=input_text.strip(),
        response=response.strip(),
        level=level,
        labels=labels.labels,
        legend=labels.legend,
        begin=labels.begin,
    )


def label_encoder(
    renderer: PromptRenderer, prompt_format: PromptFormat, text: str, labels: LabelSet
) -> Encode:
    """Return a function that encodes the prompt, the start of the answer, and a given label."""
    if prompt_format == "Raw":
        return lambda label: renderer.raw(text + labels.begin + label)
    return lambda label: renderer.chat(text, labels.begin + label)
