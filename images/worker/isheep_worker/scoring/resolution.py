"""Which labels a run asks for: what its tokenizer allows, in the prompts in which they stand.

prepare resolves them, on a CPU and before any model is loaded, and pins them: they are in
the key of assess, since other labels are other prompts and other scores. assess resolves
them again and compares, so that a library which tokenizes in another way is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence

from isheep.recipes.settings import AssessSettings, Level, PromptFormat, ScoreLabels
from isheep_worker.runtime.orders import BadInputError
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
from isheep_worker.templates.rubric import Rubric, label_encoder, label_prompt

# Pairs that end with a word, with a digit, and in another script.
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
    """Return the first set of labels that the tokenizer allows; raises `BadInputError`."""
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
        "assessment.scoring: Expected (or compare) needs labels that are single tokens of the "
        f"model's tokenizer where they stand, and it has none: {'; '.join(problems)}. Write "
        "scoring: Sampled without compare, or use a model with another tokenizer"
    )


def pinned_labels(settings: AssessSettings) -> ScoreLabels:
    """Return the labels that prepare pinned; raises `BadInputError` where it did not."""
    if settings.labels is None:
        raise BadInputError(
            "assessment.scoring: expected scores are asked for, but the run was prepared without "
            "labels for them; edit the run so that it is prepared anew"
        )
    return settings.labels


def check_labels(
    settings: AssessSettings, library: TemplateLibrary, renderer: PromptRenderer
) -> None:
    """Raise `BadInputError` where the labels have other tokens now than when they were pinned."""
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
    "and the worker image that the run began with, or edit the run so that it is pinned anew"
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
    """Return prompts of all levels for pairs with different ends."""
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
