"""The prompts that ask for a score (I-SHEEP section 3.2, appendix).

Three rubrics: Simple asks, Combined adds criteria (verbosity, format, ambiguity),
InContext shows three judged pairs (scores 6, 1 and 10). Each is asked at up to two
levels, quality and following, in prompts of their own. Their layout is: constant
header, the pair, the level's question. So all prompts share the header, and both
levels of a pair share everything but the last two lines: an engine with prefix
caching computes the long part once.

A sampled score's prompt ends with a line break and the answer starts with the number:
after a line break a digit is what a model expects there, while after `Score:` it expects
a space, and forcing a digit would sample from a thousandth of the distribution.

An expected score's prompt asks for one of ten labels (`labels.py`) and goes on into the
answer, up to where the label stands: in a chat the assistant's turn is begun for it.
"""

from __future__ import annotations

from typing import Literal

from isheep.recipes.settings import PromptFormat
from isheep_worker.templates.chat import PromptRenderer
from isheep_worker.templates.labels import Encode, LabelSet
from isheep_worker.templates.library import TemplateLibrary

Rubric = Literal["Simple", "Combined", "InContext"]
Level = Literal["Quality", "Following"]

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

# Long enough for a reason in one sentence, short enough that answers cost little.
EXPLANATION_CHARACTERS = 120
CONSTRAINED_ANSWER = rf"(10|[1-9])\|\|[^|\n][^\n]{{0,{EXPLANATION_CHARACTERS - 1}}}"
ANSWER_STOP = "\n"


def assessment_prompt(
    library: TemplateLibrary,
    rubric: Rubric,
    level: Level,
    *,
    instruction: str,
    input_text: str,
    response: str,
) -> str:
    """Return the text that asks for one level's score of a pair, raw or as a user's message."""
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
    """Return the text that asks for a label as one level's score, up to where the answer begins."""
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
    """Return what makes token ids of a label prompt with the answer begun and a label behind it."""
    if prompt_format == "Raw":
        return lambda label: renderer.raw(text + labels.begin + label)
    return lambda label: renderer.chat(text, labels.begin + label)
