"""The labels of a run: the first set that the run's tokenizer allows in the run's prompts.

Prepare resolves the labels, on a CPU and before a model is loaded, and pins them. They are part of
the key of assess, because other labels make other prompts and other scores. Assess checks the
labels' tokens again, so that it fails if a library tokenizes in another way.
"""

from __future__ import annotations

from collections.abc import Sequence

from isheep.contract.choices import Level, PromptFormat, Rubric
from isheep.recipes.settings import AssessSettings, ScoreLabels
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.templates.chat import PromptRenderer
from isheep_worker.templates.labels import (
    LABEL_SETS,
    Encode,
    LabelError,
    LabelSet,
    label_set,
    label_token_ids,
)
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.rubric import label_encoder, label_prompt

# Pairs that end with a word, with a digit, and with another script.
_SAMPLES = (
    ("Name a colour.", "", "Red."),
    ("Add the numbers.", "19 and 23", "42"),
    ("Greet me in Japanese.", "", "こんにちは"),
)


def resolve_labels(
    library: TemplateLibrary,
    renderer: PromptRenderer,
    prompt_format: PromptFormat,
    rubric: Rubric,
    levels: Sequence[Level],
) -> ScoreLabels:
    """Return the first set of labels that the tokenizer allows.

    Args:
        library: The run's templates.
        renderer: The model's renderer of prompts.
        prompt_format: Whether prompts are raw or chats.
        rubric: The rubric of the prompts.
        levels: The levels of the prompts.

    Returns:
        The kind of the set, and the token ids of its labels.

    Raises:
        BadInputError: The tokenizer allows no set.
    """
    problems = []
    for labels in LABEL_SETS:
        prompts = _sample_prompts(
            library, renderer, prompt_format, rubric=rubric, levels=levels, labels=labels
        )
        try:
            return ScoreLabels(kind=labels.kind, token_ids=label_token_ids(labels, prompts))
        except LabelError as error:
            problems.append(str(error))
    raise BadInputError(
        "assessment.scoring: Expected (or compare) needs labels that are single tokens in the "
        f"prompts, and the model's tokenizer has none: {'; '.join(problems)}. Set "
        "scoring: Sampled without compare, or use a model with another tokenizer"
    )


def pinned_labels(settings: AssessSettings) -> ScoreLabels:
    """Return the labels that prepare pinned; raises `BadInputError` if there are none."""
    if settings.labels is None:
        raise BadInputError(
            "assessment.scoring: the stage needs labels for expected scores, but prepare did not "
            "pin labels; edit the run so that prepare runs again"
        )
    return settings.labels


def check_labels(
    settings: AssessSettings, library: TemplateLibrary, renderer: PromptRenderer
) -> None:
    """Check that the labels have the tokens that prepare pinned.

    Raises `BadInputError` if the tokens differ.
    """
    pinned = pinned_labels(settings)
    labels = label_set(pinned.kind)
    prompts = _sample_prompts(
        library,
        renderer,
        settings.prompt_format,
        rubric=settings.rubric,
        levels=settings.levels,
        labels=labels,
    )
    try:
        found = label_token_ids(labels, prompts)
    except LabelError as error:
        raise BadInputError(f"assessment.scoring: {error}; {_CHANGED}") from error
    if found != pinned.token_ids:
        raise BadInputError(
            f"assessment.scoring: the labels' tokens are {list(found)}, but the run is pinned to "
            f"{list(pinned.token_ids)}; {_CHANGED}"
        )


_CHANGED = (
    "the tokenizer has changed, or this worker's libraries tokenize in another way: use the model "
    "and the worker image that the run started with, or edit the run so that prepare runs again"
)


def _sample_prompts(
    library: TemplateLibrary,
    renderer: PromptRenderer,
    prompt_format: PromptFormat,
    *,
    rubric: Rubric,
    levels: Sequence[Level],
    labels: LabelSet,
) -> list[Encode]:
    """Return the prompts of all levels for pairs with different ends."""
    texts = (
        label_prompt(
            library,
            rubric,
            level,
            labels,
            instruction=instruction,
            input_text=input_text,
            response=response,
        )
        for level in levels
        for instruction, input_text, response in _SAMPLES
    )
    return [label_encoder(renderer, prompt_format, text, labels) for text in texts]
